/**
 * Tokens of users, opened, in memory: the steady state of a call is one look-up. Who signs in or out is heard within two seconds,
 * wherever that happened: by the feed, else by polling. A refresh is announced and not polled for: whoever still has the former token
 * finds the new one when that is due, or refused.
 */
import { type Clock, type Logger, sleep } from '@toolgate/core'
import { type Database, followChanges, type ObjectChanges, type StopListening } from '@toolgate/db'
import { LRUCache } from 'lru-cache'
import type { KnownTokens } from './user-tokens.ts'
import { holderKey, type TokenHolder, userTokenChangesChannel } from './user-token-store.ts'

const mostTokens = 5_000
/** After this a token is read anew, whatever the feed says. */
const freshMs = 60_000
/** Longer than an authorization server may take to answer. */
const endMs = 12_000
/** Beyond it, while the store is away. */
const graceMs = 10 * 60_000

export interface UserTokenMemory {
  fresh(holder: TokenHolder): KnownTokens | undefined
  /** Also beyond its time, but not for ever. */
  last(holder: TokenHolder): KnownTokens | undefined
  /** Keeps what was read, unless anything was forgotten since `version`: it may be what it was forgotten for. */
  remember(holder: TokenHolder, tokens: KnownTokens, version: number): void
  forget(holder: TokenHolder): void
  /** Counts what was forgotten. */
  readonly version: number
  /** What `close` waits for, for seconds: tokens that were asked for behind calls are lost where nobody keeps them. */
  expect(work: Promise<unknown>): void
  /** Follows the changes of others until `close`. */
  start(): Promise<void>
  close(): Promise<void>
}

export interface UserTokenMemoryOptions {
  readonly changedSince: (mark: Date | undefined, signal: AbortSignal) => Promise<ObjectChanges>
  readonly feed: Pick<Database, 'listen'>
  readonly clock: Clock
  readonly log: Logger
}

export function createUserTokenMemory({ changedSince, feed, clock, log }: UserTokenMemoryOptions): UserTokenMemory {
  const known = new LRUCache<string, { readonly tokens: KnownTokens; readonly readAt: number }>({ max: mostTokens })
  /** Bounded by the renewals in progress. */
  const expected = new Set<Promise<unknown>>()
  let version = 0
  let following: Promise<StopListening> | undefined

  const within = (holder: TokenHolder, ms: number): KnownTokens | undefined => {
    const found = known.get(holderKey(holder))
    return found !== undefined && clock.monotonic() - found.readAt < ms ? found.tokens : undefined
  }
  const forget = (key: string) => {
    version += 1
    known.delete(key)
  }
  const forgetAll = () => {
    version += 1
    known.clear()
  }

  return {
    fresh: (holder) => within(holder, freshMs),
    last: (holder) => within(holder, graceMs),
    remember(holder, tokens, readAt) {
      if (readAt === version) known.set(holderKey(holder), { tokens, readAt: clock.monotonic() })
    },
    forget: (holder) => forget(holderKey(holder)),
    get version() {
      return version
    },
    expect(work) {
      expected.add(work)
      const settled = () => void expected.delete(work)
      work.then(settled, settled)
    },
    async start() {
      following ??= followChanges({
        of: 'tokens of users',
        channel: userTokenChangesChannel,
        feed,
        clock,
        log,
        changedSince,
        heard: forget,
        found: (changes) => changes.forEach(({ id }) => forget(id)),
        lost: forgetAll,
      })
      await following
    },
    async close() {
      await settledWithin(clock, endMs, expected)
      const stop = await following
      await stop?.()
      forgetAll()
    },
  }
}

async function settledWithin(clock: Clock, ms: number, work: Iterable<Promise<unknown>>): Promise<void> {
  const over = new AbortController()
  const settled = Promise.allSettled(work).then(() => over.abort())
  await Promise.race([settled, sleep(clock, ms, over.signal)])
}
