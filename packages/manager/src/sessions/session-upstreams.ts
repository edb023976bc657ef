import { type Clock, type JsonRpcNotification, type Logger, startDeadline } from '@toolgate/core'
import { tellLogLevel } from '../upstream/log-level.ts'
import type { Lease, Pool } from '../upstream/pool.ts'
import type { Session } from './session.ts'

/** Milliseconds for telling all servers of a session. */
const tellingMs = 5_000

/**
 * What a client says beside its requests to the servers that keep a session for it alone. A server that is connected to
 * later is told, or asks, when it is; one that serves others as well is told nothing. Nothing here rejects.
 */
export interface SessionUpstreams {
  logLevelChanged(session: Session): Promise<void>
  rootsChanged(session: Session): Promise<void>
}

const rootsChanged: JsonRpcNotification = { jsonrpc: '2.0', method: 'notifications/roots/list_changed' }

export function createSessionUpstreams({
  pool,
  clock,
  log,
}: {
  readonly pool: Pick<Pool, 'ofSession'>
  readonly clock: Clock
  readonly log: Logger
}): SessionUpstreams {
  const each = async ({ id }: Session, tell: (lease: Lease, signal: AbortSignal) => Promise<void>) => {
    using deadline = startDeadline(clock, tellingMs)
    const telling = pool.ofSession(id).map(async (lent) => {
      using lease = lent
      try {
        await tell(lease, deadline.signal)
      } catch (error) {
        // Its next call finds out what is wrong with the server, and says so.
        log.debug({ err: error }, 'a server of a session could not be told')
      }
    })
    await Promise.all(telling)
  }

  return {
    async logLevelChanged(session) {
      const { logLevel: level } = session
      if (level === undefined) return
      await each(session, (lease, signal) => tellLogLevel(lease, { level, headers: lease.headers(), signal }))
    },
    async rootsChanged(session) {
      if (session.capabilities['roots'] === undefined) return
      await each(session, ({ connection, headers }, signal) =>
        connection.notify(rootsChanged, { headers: headers(), signal }),
      )
    },
  }
}
