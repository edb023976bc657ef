import type { Clock } from '@toolgate/core'
import { LRUCache } from 'lru-cache'

/** What was counted within the last minute, by name; of this process alone. A minute begins with the first that it counts. */
export interface MinuteCounts {
  /** So far. */
  count(name: string): number
  add(name: string, amount: number): void
  /** Milliseconds until what was counted under the name is over; 0: nothing is. */
  restMs(name: string): number
}

interface Count {
  amount: number
  readonly endsAt: number
}

const minuteMs = 60_000
/** Names that are counted at a time. Beyond it the one that was used longest ago begins anew. */
const maxNames = 50_000

export function createMinuteCounts(clock: Clock): MinuteCounts {
  const counts = new LRUCache<string, Count>({ max: maxNames })
  const current = (name: string): Count | undefined => {
    const count = counts.get(name)
    return count !== undefined && count.endsAt > clock.monotonic() ? count : undefined
  }
  return {
    count: (name) => current(name)?.amount ?? 0,
    restMs: (name) => Math.max(0, (current(name)?.endsAt ?? 0) - clock.monotonic()),
    add(name, amount) {
      const count = current(name)
      if (count === undefined) counts.set(name, { amount, endsAt: clock.monotonic() + minuteMs })
      else count.amount += amount
    },
  }
}
