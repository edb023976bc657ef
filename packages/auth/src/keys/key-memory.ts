import type { Clock } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { LRUCache } from 'lru-cache'

const mostKeys = 10_000
const mostUnknownKeys = 10_000
/** After this a key is read anew, whatever the feed says. */
const keyTtlMs = 60_000
/** Short, because a key may be made at any time; long enough that guessing does not become load. */
const unknownKeyTtlMs = 5_000

/**
 * What was read of keys, bounded, with the least recently used going first. Keys that exist and hashes that do not have
 * bounds of their own: whoever guesses keys evicts nobody's.
 */
export interface KeyMemory {
  fresh(hash: string): VirtualKeyRow | undefined
  /** Also beyond its time, as long as nothing forgot it. */
  last(hash: string): VirtualKeyRow | undefined
  isUnknown(hash: string): boolean
  /**
   * Keeps an answer, unless anything was forgotten since `version`: the answer may be what it was forgotten for.
   */
  remember(hash: string, row: VirtualKeyRow | undefined, version: number): void
  /** `changedAt`: only what was read of the key before it. */
  forget(hash: string, changedAt?: Date): void
  forgetAll(): void
  /** Counts what was forgotten. */
  readonly version: number
}

export function createKeyMemory(clock: Clock): KeyMemory {
  // Resolution 0: otherwise the library starts a timer of its own to remember the time.
  const time = { perf: { now: () => clock.monotonic() }, ttlResolution: 0 }
  const known = new LRUCache<string, VirtualKeyRow>({ ...time, max: mostKeys, ttl: keyTtlMs, noDeleteOnStaleGet: true })
  const unknown = new LRUCache<string, true>({ ...time, max: mostUnknownKeys, ttl: unknownKeyTtlMs })
  let version = 0

  return {
    fresh: (hash) => known.get(hash),
    last: (hash) => known.peek(hash, { allowStale: true }),
    isUnknown: (hash) => unknown.has(hash),
    remember(hash, row, readAt) {
      if (readAt !== version) return
      if (row !== undefined) known.set(hash, row)
      else {
        known.delete(hash)
        unknown.set(hash, true)
      }
    },
    forget(hash, changedAt) {
      const row = known.peek(hash, { allowStale: true })
      if (row !== undefined && changedAt !== undefined && row.updatedAt >= changedAt) return
      version += 1
      known.delete(hash)
      unknown.delete(hash)
    },
    forgetAll() {
      version += 1
      known.clear()
      unknown.clear()
    },
    get version() {
      return version
    },
  }
}
