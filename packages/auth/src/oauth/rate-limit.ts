import { type Clock, GatewayError } from '@toolgate/core'
import { LRUCache } from 'lru-cache'

/** So many within a window, per key and for all keys together; counted in this process alone. */
export interface RateLimit {
  /** Throws `TOO_MANY_REQUESTS`. */
  count(key: string): void
}

export interface RateLimitOptions {
  readonly clock: Clock
  readonly windowMs: number
  readonly perKey: number
  readonly forAll: number
}

const mostKeys = 10_000

export function createRateLimit({ clock, windowMs, perKey, forAll }: RateLimitOptions): RateLimit {
  const counts = new LRUCache<string, number>({ max: mostKeys })
  let all = 0
  let startedAt = clock.monotonic()
  return {
    count(key) {
      if (clock.monotonic() - startedAt >= windowMs) {
        startedAt = clock.monotonic()
        all = 0
        counts.clear()
      }
      const before = counts.get(key) ?? 0
      if (before >= perKey || all >= forAll) {
        throw new GatewayError('TOO_MANY_REQUESTS', 'Too many requests of this kind. Try again in a minute.')
      }
      all += 1
      counts.set(key, before + 1)
    },
  }
}
