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
import { lifetimes } from './lifetimes.ts'
import { createStoreContact, type StoreContact } from '../keys/store-contact.ts'
import { createTokenMemory } from './token-memory.ts'

export interface AccessTokens {
  /**
   * Undefined where there is no such token, or none that counts at `asOf`, milliseconds since the epoch, by default now. Rejects
   * with `STORE_UNAVAILABLE`, or the signal's reason.
   */
  find(hash: string, signal: AbortSignal, asOf?: number): Promise<ActiveToken | undefined>
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
  /** Of the store that holds the keys as well. */
  readonly contact?: StoreContact
}

/** Bound of one query on the path of a request. */
const lookUpDeadlineMs = 5_000

export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { store, feed, clock, log, contact = createStoreContact({ clock, log }) } = options
  const memory = createTokenMemory(clock)
  const singleFlight = createSingleFlight<ActiveToken | undefined>()
  let following: Promise<StopListening> | undefined

  const read = async (hash: string): Promise<ActiveToken | undefined> => {
    const { version } = memory
    using deadline = startDeadline(clock, lookUpDeadlineMs)
    const since = new Date(clock.now() - lifetimes.longestCallMs)
    const token = await contact.ask(() => store.findAccessToken(hash, since, deadline.signal))
    memory.remember(hash, token, version)
    return token
  }

  return {
    forget: memory.forget,
    async find(hash, signal, asOf = clock.now()) {
      const known = contact.good ? memory.fresh(hash) : memory.last(hash)
      if (known !== undefined && contact.withinGrace) return unlessExpired(known, asOf)
      if (contact.good && memory.isUnknown(hash)) return undefined
      try {
        return unlessExpired(await singleFlight(`${memory.version}:${hash}`, signal, () => read(hash)), asOf)
      } catch (error) {
        signal.throwIfAborted()
        const last = memory.last(hash)
        if (last !== undefined && contact.withinGrace) return unlessExpired(last, asOf)
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
        changedSince: (mark, signal) => contact.ask(() => store.changedSince(mark, signal)),
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

/** A token ends with its grant, whatever it was promised. */
function unlessExpired(token: ActiveToken | undefined, asOf: number): ActiveToken | undefined {
  if (token === undefined) return undefined
  return Math.min(token.expiresAt.getTime(), token.grant.expiresAt.getTime()) > asOf ? token : undefined
}
