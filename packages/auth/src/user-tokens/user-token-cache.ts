import type { Clock } from '@toolgate/core'
import { LRUCache } from 'lru-cache'
import type { KnownTokens } from './user-tokens.ts'
import type { TokenHolder } from './user-token-store.ts'

const mostTokens = 5_000
/** What was changed elsewhere holds here after it. */
const freshMs = 2_000

/** Tokens of the last two seconds, opened: a burst of calls asks the store once. */
export interface TokenCache {
  get(holder: TokenHolder): KnownTokens | undefined
  set(holder: TokenHolder, tokens: KnownTokens): void
  forget(holder: TokenHolder): void
}

export function createTokenCache(clock: Clock): TokenCache {
  const time = { perf: { now: () => clock.monotonic() }, ttlResolution: 0 }
  const known = new LRUCache<string, KnownTokens>({ ...time, max: mostTokens, ttl: freshMs })
  const keyOf = ({ owner, serverId }: TokenHolder) => JSON.stringify([owner, serverId])
  return {
    get: (holder) => known.get(keyOf(holder)),
    set: (holder, tokens) => void known.set(keyOf(holder), tokens),
    forget: (holder) => void known.delete(keyOf(holder)),
  }
}
