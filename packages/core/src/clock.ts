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

/** Holds a timer until it is disposed or its time is up. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

/** What a timer of Node holds; it fires at once when it is given more. */
const longestTimerMs = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    let timer: NodeJS.Timeout
    const wait = (restMs: number): void => {
      const thisMs = Math.min(restMs, longestTimerMs)
      timer = setTimeout(() => (restMs > thisMs ? wait(restMs - thisMs) : run()), thisMs).unref()
    }
    wait(delayMs)
    return () => clearTimeout(timer)
  },
  every(periodMs, run) {
    if (periodMs > longestTimerMs) return everyLong(periodMs, run)
    const timer = setInterval(run, periodMs).unref()
    return () => clearInterval(timer)
  },
}

function everyLong(periodMs: number, run: () => void): Cancel {
  let cancel: Cancel
  const begin = (): void => {
    cancel = systemClock.after(periodMs, () => {
      begin()
      run()
    })
  }
  begin()
  return () => cancel()
}

/**
 * Aborts with a `TimeoutError` after `ms`, as `AbortSignal.timeout` does, or with `within` where that is sooner. On top
 * of {@link Clock.after}, so that whoever replaces the clock moves deadlines too.
 */
export function startDeadline(clock: Clock, ms: number, within?: AbortSignal): Deadline {
  const controller = new AbortController()
  const expire = () => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
  const cancel = clock.after(ms, expire)
  const signal = within === undefined ? controller.signal : AbortSignal.any([within, controller.signal])
  return { signal, [Symbol.dispose]: cancel }
}

/** Resolves after `ms`, or as soon as `signal` aborts. */
export async function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = () => resolve()
  const cancel = clock.after(ms, wake)
  signal.addEventListener('abort', wake, { once: true })
  await promise
  cancel()
  signal.removeEventListener('abort', wake)
}
