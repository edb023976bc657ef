import { type Clock, startDeadline } from '@toolgate/core'
import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { requireAdmin } from '../require-admin.ts'

/** Liveness says the process answers; readiness says it may be given work: migrated, registry loaded, key store reachable. */
export interface HealthOptions {
  readonly lifecycle: Pick<Lifecycle, 'phase' | 'inFlight'>
  readonly clock: Clock
  /** Resolves where the key store answers; bounded by the signal. */
  readonly pingStore: (signal: AbortSignal) => Promise<void>
}

/** Milliseconds. A probe must answer before the prober gives up. */
const storePingTimeoutMs = 2_000

export function healthRoutes({ lifecycle, clock, pingStore }: HealthOptions) {
  const storeAnswers = async () => {
    try {
      using deadline = startDeadline(clock, storePingTimeoutMs)
      await pingStore(deadline.signal)
      return true
    } catch {
      // The answer to "does it answer" is no; why is in the log of the store's own users.
      return false
    }
  }

  const liveness = () => (lifecycle.phase === 'draining' ? 503 : 200)

  return new Hono<AppEnv>()
    .get('/health/liveliness', (context) => context.json("I'm alive!", liveness()))
    .get('/health/liveness', (context) => context.json("I'm alive!", liveness()))
    .get('/health/readiness', async (context) => {
      const connected = await storeAnswers()
      const ready = lifecycle.phase === 'ready' && connected
      const status = ready ? 'healthy' : lifecycle.phase === 'ready' ? 'unhealthy' : lifecycle.phase
      return context.json({ status, db: connected ? 'connected' : 'Not connected' }, ready ? 200 : 503)
    })
    .get('/health/backlog', (context) => {
      requireAdmin(context.var.caller, context.req.path)
      return context.json({ in_flight_requests: lifecycle.inFlight })
    })
}
