/**
 * Time as a parameter. Nothing else in the packages reads the wall clock or starts a timer, so a test moves time by
 * hand and nothing keeps the process alive: timers are unreferenced.
 */

export interface Clock {
  /** Milliseconds since the epoch. May jump; for durations use {@link Clock.monotonic}. */
  now(): number
  /** Milliseconds since an arbitrary point. Never goes back. */
  monotonic(): number
  /** Runs once after `delayMs` unless cancelled. */
  after(delayMs: number, run: () => void): Cancel
  /** Runs every `periodMs` until cancelled. The first run is after one period. */
  every(periodMs: number, run: () => void): Cancel
}

export type Cancel = () => void

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref()
    return () => clearTimeout(timer)
  },
  every(periodMs, run) {
    const timer = setInterval(run, periodMs).unref()
    return () => clearInterval(timer)
  },
}
