import { type Clock, GatewayError } from '@toolgate/core'
import { LRUCache } from 'lru-cache'

/** So many within a window, per key and, where that is said, for all keys together; counted in this process alone. */
export interface RateLimit {
  /**
   * Throws `TOO_MANY_REQUESTS`, with the seconds until the window ends. What it answers takes the count back: for what turns out
   * to be none of what is limited.
   */
  count(key: string): () => void
}

export interface RateLimitOptions {
  readonly clock: Clock
  readonly windowMs: number
  readonly perKey: number
  /** Absent: no bound for all. One who makes up keys would use it up for everybody. */
  readonly forAll?: number
}

const mostKeys = 10_000

export function createRateLimit({ clock, windowMs, perKey, forAll = Infinity }: RateLimitOptions): RateLimit {
  const counts = new LRUCache<string, number>({ max: mostKeys })
  let all = 0
  let startedAt = clock.monotonic()

  const startAnew = () => {
    startedAt = clock.monotonic()
    all = 0
    counts.clear()
  }

  return {
    count(key) {
      if (clock.monotonic() - startedAt >= windowMs) startAnew()
      const before = counts.get(key) ?? 0
      if (before >= perKey || all >= forAll) throw tooMany(startedAt + windowMs - clock.monotonic())
      all += 1
      counts.set(key, before + 1)
      const window = startedAt
      return () => {
        const number = counts.get(key) ?? 0
        if (startedAt !== window || number === 0) return
        all -= 1
        counts.set(key, number - 1)
      }
    },
  }
}

function tooMany(leftMs: number): GatewayError {
  const seconds = Math.max(1, Math.ceil(leftMs / 1000))
  return new GatewayError('TOO_MANY_REQUESTS', `Too many requests of this kind. Try again in ${seconds} s.`, {
    details: { retryAfter: String(seconds) },
  })
}
