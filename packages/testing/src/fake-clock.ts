import type { Clock } from '@toolgate/core'

export interface FakeClock extends Clock {
  /** Moves time forward and runs, in order, every timer that falls due on the way. */
  advance(milliseconds: number): void
  /** Sets the wall clock to another time, back too, as an operator or a time server does; no time passes. */
  jump(milliseconds: number): void
  /** Timers that are still set: a closed service must leave none. */
  readonly pending: number
}

/** Time that moves only when the test says so. */
export function fakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let now = startMs
  let jumped = 0
  const timers = new Set<{ dueMs: number; periodMs: number | undefined; run: () => void }>()

  const schedule = (delayMs: number, periodMs: number | undefined, run: () => void) => {
    const timer = { dueMs: now + delayMs, periodMs, run }
    timers.add(timer)
    return () => void timers.delete(timer)
  }

  const nextDue = (untilMs: number) =>
    [...timers].filter(({ dueMs }) => dueMs <= untilMs).toSorted((left, right) => left.dueMs - right.dueMs)[0]

  return {
    now: () => now + jumped,
    monotonic: () => now,
    after: (delayMs, run) => schedule(delayMs, undefined, run),
    every: (periodMs, run) => schedule(periodMs, periodMs, run),
    advance(milliseconds) {
      const untilMs = now + milliseconds
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        now = timer.dueMs
        if (timer.periodMs === undefined) timers.delete(timer)
        else timer.dueMs += timer.periodMs
        timer.run()
      }
      now = untilMs
    },
    jump(milliseconds) {
      jumped += milliseconds
    },
    get pending() {
      return timers.size
    },
  }
}
