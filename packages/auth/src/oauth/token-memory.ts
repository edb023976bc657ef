import type { Clock } from '@toolgate/core'
import { LRUCache } from 'lru-cache'
import type { ActiveToken } from './grant-store.ts'

const mostTokens = 10_000
const mostUnknown = 10_000
/** After this a token is read anew, whatever the feed says. */
const freshMs = 60_000
/** Beyond it, while the store is away. */
const graceMs = 10 * 60_000
/** Guessing does not become load. */
const unknownMs = 5_000

/** What was read of access tokens, bounded. Tokens that exist and hashes that do not have bounds of their own. */
export interface TokenMemory {
  fresh(hash: string): ActiveToken | undefined
  /** Also beyond its time, but not for ever. */
  last(hash: string): ActiveToken | undefined
  isUnknown(hash: string): boolean
  /** Keeps an answer, unless anything was forgotten since `version`: the answer may be what it was forgotten for. */
  remember(hash: string, token: ActiveToken | undefined, version: number): void
  forget(grantId: string): void
  forgetAll(): void
  /** Counts what was forgotten. */
  readonly version: number
}

export function createTokenMemory(clock: Clock): TokenMemory {
  // Resolution 0: otherwise the library starts a timer of its own to remember the time.
  const time = { perf: { now: () => clock.monotonic() }, ttlResolution: 0 }
  const known = new LRUCache<string, { readonly token: ActiveToken; readonly readAt: number }>({ max: mostTokens })
  const unknown = new LRUCache<string, true>({ ...time, max: mostUnknown, ttl: unknownMs })
  let version = 0

  const within = (hash: string, ms: number): ActiveToken | undefined => {
    const found = known.get(hash)
    return found !== undefined && clock.monotonic() - found.readAt < ms ? found.token : undefined
  }

  return {
    fresh: (hash) => within(hash, freshMs),
    last: (hash) => within(hash, graceMs),
    isUnknown: (hash) => unknown.has(hash),
    remember(hash, token, readAt) {
      if (readAt !== version) return
      if (token !== undefined) known.set(hash, { token, readAt: clock.monotonic() })
      else {
        known.delete(hash)
        unknown.set(hash, true)
      }
    },
    forget(grantId) {
      version += 1
      for (const [hash, { token }] of known.entries()) if (token.grant.id === grantId) known.delete(hash)
    },
    forgetAll() {
      version += 1
      known.clear()
    },
    get version() {
      return version
    },
  }
}
