/**
 * Access tokens by hash, in memory: the steady state of a request is one map look-up. A grant that is revoked ends here within
 * two seconds, wherever that happened: by the feed, else by polling. A minute after it was read a token is read again.
 *
 * While the store cannot be asked, tokens that are known go on for ten minutes; others are `STORE_UNAVAILABLE` and never
 * "invalid": a client would throw them away and send a person to sign in.
 */
import { type Clock, createSingleFlight, type Logger, startDeadline } from '@toolgate/core'
import { type Database, followChanges, type StopListening, storeUnavailable } from '@toolgate/db'
import { type ActiveToken, grantChangesChannel, type GrantStore } from './grant-store.ts'
import { createTokenMemory } from './token-memory.ts'

export interface AccessTokens {
  /** Undefined where there is no such token, or none that counts. Rejects with `STORE_UNAVAILABLE`, or the signal's reason. */
  find(hash: string, signal: AbortSignal): Promise<ActiveToken | undefined>
  /** For whoever revokes a grant in this process. */
  forget(grantId: string): void
  start(): Promise<void>
  close(): Promise<void>
}

export interface AccessTokensOptions {
  readonly store: Pick<GrantStore, 'findAccessToken' | 'changedSince'>
  readonly feed: Pick<Database, 'listen'>
  readonly clock: Clock
  readonly log: Logger
}

/** Bound of one query on the path of a request. */
const lookUpDeadlineMs = 5_000

export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { store, feed, clock, log } = options
  const memory = createTokenMemory(clock)
  const singleFlight = createSingleFlight<ActiveToken | undefined>()
  let following: Promise<StopListening> | undefined

  const read = async (hash: string): Promise<ActiveToken | undefined> => {
    const { version } = memory
    using deadline = startDeadline(clock, lookUpDeadlineMs)
    const token = await store.findAccessToken(hash, new Date(clock.now()), deadline.signal)
    memory.remember(hash, token, version)
    return token
  }

  return {
    forget: memory.forget,
    async find(hash, signal) {
      const known = memory.fresh(hash)
      if (known !== undefined) return unlessExpired(known, clock)
      if (memory.isUnknown(hash)) return undefined
      try {
        return unlessExpired(await singleFlight(`${memory.version}:${hash}`, signal, () => read(hash)), clock)
      } catch (error) {
        signal.throwIfAborted()
        const last = memory.last(hash)
        if (last !== undefined) return unlessExpired(last, clock)
        throw storeUnavailable(error)
      }
    },
    async start() {
      following ??= followChanges({
        of: 'grants to MCP clients',
        channel: grantChangesChannel,
        feed,
        clock,
        log,
        changedSince: (mark, signal) => store.changedSince(mark, signal),
        heard: memory.forget,
        found: (changes) => changes.forEach(({ id }) => memory.forget(id)),
        lost: memory.forgetAll,
      })
      await following
    },
    async close() {
      const stop = await following
      await stop?.()
      memory.forgetAll()
    },
  }
}

function unlessExpired(token: ActiveToken | undefined, clock: Clock): ActiveToken | undefined {
  return token !== undefined && token.expiresAt.getTime() > clock.now() ? token : undefined
}
