import { type Clock, sleep } from '@toolgate/core'
import { withinDeadline } from '../upstream/within-deadline.ts'

/** One writer, and at most one item of each key that waits for it, the latest. */
export interface WriteQueue<Item> {
  /** Never throws and never waits. */
  add(key: string, item: Item): void
  drop(key: string): void
  /** Drops what waits; what is being written gets `ms`. */
  close(ms: number): Promise<void>
}

export interface WriteQueueOptions<Item> {
  readonly clock: Clock
  write(key: string, item: Item): Promise<void>
  /** The pause after which it is tried again, or undefined where that would end the same way. */
  retryAfter(error: unknown, item: Item): number | undefined
}

export function createWriteQueue<Item>({ clock, write, retryAfter }: WriteQueueOptions<Item>): WriteQueue<Item> {
  const waiting = new Map<string, Item>()
  const closing = new AbortController()
  let working: Promise<void> | undefined

  /** Puts an item that could not be written back, unless a later one waits. */
  const work = async () => {
    for (let [next] = waiting; next !== undefined && !closing.signal.aborted; [next] = waiting) {
      const [key, item] = next
      waiting.delete(key)
      try {
        await write(key, item)
      } catch (error) {
        const pauseMs = retryAfter(error, item)
        // Whoever decided that has logged the failure.
        if (pauseMs === undefined) continue
        if (!waiting.has(key)) waiting.set(key, item)
        await sleep(clock, pauseMs, closing.signal)
      }
    }
  }

  const start = () => {
    working ??= work().finally(() => {
      working = undefined
      // What came after the last look and before this.
      if (waiting.size > 0 && !closing.signal.aborted) start()
    })
  }

  return {
    add(key, item) {
      if (closing.signal.aborted) return
      waiting.set(key, item)
      start()
    },
    drop: (key) => void waiting.delete(key),
    async close(ms) {
      closing.abort()
      waiting.clear()
      if (working !== undefined) await withinDeadline(working, { clock, ms, late: () => undefined })
    },
  }
}
