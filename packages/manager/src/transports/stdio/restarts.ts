import type { Clock } from '@toolgate/core'

/** Milliseconds before the first start that is put off; doubled for each further failure. */
const firstDelayMs = 500

const maxDelayMs = 30_000

/** Milliseconds after which a child has led a normal life: what was before it is forgotten. */
const normalLifeMs = 30_000

export interface Restarts {
  /** Milliseconds until the next start; 0 where it may start at once. */
  readonly delayMs: number
  /** Starts that followed a failure. */
  readonly count: number
  starting(): void
  ended(life: Life): void
}

export interface Life {
  /** Milliseconds since it had come up; undefined where it never did. */
  readonly livedMs: number | undefined
  /** Nobody asked it to end. */
  readonly crashed: boolean
}

/**
 * When a command may be started again. The first crash of a child that worked costs nothing: the next call has another one at
 * once. One that does not come up, or crashes again before it led a normal life, waits: longer each time, up to a bound,
 * and not for the same time on every replica.
 */
export function createRestarts(clock: Clock, random: () => number = Math.random): Restarts {
  let failures = 0
  let notBefore = clock.monotonic()
  let count = 0
  return {
    get delayMs() {
      return Math.max(0, notBefore - clock.monotonic())
    },
    get count() {
      return count
    },
    starting() {
      if (failures > 0) count += 1
    },
    ended({ livedMs, crashed }) {
      if (livedMs !== undefined && livedMs >= normalLifeMs) failures = 0
      if (!crashed) return
      failures = livedMs === undefined ? Math.max(failures + 1, 2) : failures + 1
      const delayMs = failures < 2 ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 2))
      // Between a half and the whole of it.
      notBefore = clock.monotonic() + delayMs * (0.5 + random() / 2)
    },
  }
}
