import { type Clock, systemClock } from '@toolgate/core'

/** Milliseconds between two looks at what is due. */
const tickMs = 10

/**
 * The most that passes between two looks. On a machine that is busy with other tests this process stands still for long
 * moments, together with the faulty servers in it: those moments are nobody's fault and must not count as silence.
 */
const maxTickMs = 2 * tickMs

/** Milliseconds that the bound of a whole call, of ten minutes, takes; a tenth of it would be too long for a test. */
const wholeCallMs = 4_000
const longMs = 600_000

const neverMs = 1e12

export interface HurriedClock extends Clock {
  /** Timers that are set: a closed gateway has none. */
  readonly pending: number
  /** Milliseconds that work takes, without the moments in which this process stood still. */
  measure(work: () => Promise<void>): Promise<number>
  /** Runs the work in no time at all: no bound passes before it has ended. */
  still<Result>(work: () => Promise<Result>): Promise<Result>
}

interface Timer {
  leftMs: number
  readonly run: () => void
}

/** Real time for whoever reads it, and `hurry` times less of it for every bound. */
export function hurriedClock(hurry: number): HurriedClock {
  const timers = new Set<Timer>()
  let periods = 0
  let lastMs = performance.now()
  let interval: NodeJS.Timeout | undefined
  let held = false

  const tick = () => {
    const atMs = performance.now()
    const passedMs = Math.min(atMs - lastMs, maxTickMs)
    lastMs = atMs
    if (held) return
    for (const timer of timers) {
      timer.leftMs -= passedMs
      if (timer.leftMs <= 0 && timers.delete(timer)) timer.run()
    }
    stopIfIdle()
  }
  const start = (timer: Timer) => {
    timers.add(timer)
    if (interval === undefined) lastMs = performance.now()
    interval ??= setInterval(tick, tickMs).unref()
    return () => {
      timers.delete(timer)
      stopIfIdle()
    }
  }
  const stopIfIdle = () => {
    if (timers.size > 0) return
    clearInterval(interval)
    interval = undefined
  }

  return {
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    after: (delayMs, run) => start({ leftMs: delayMs >= longMs ? wholeCallMs : delayMs / hurry, run }),
    every(periodMs, run) {
      const cancel = systemClock.every(periodMs, run)
      let running = true
      periods += 1
      return () => {
        if (running) periods -= 1
        running = false
        cancel()
      }
    },
    get pending() {
      return timers.size + periods
    },
    async measure(work) {
      // A timer that is never due counts what has passed.
      const stopwatch = { leftMs: neverMs, run: () => {} }
      const cancel = start(stopwatch)
      try {
        await work()
        return neverMs - stopwatch.leftMs
      } finally {
        cancel()
      }
    },
    async still(work) {
      held = true
      try {
        return await work()
      } finally {
        held = false
      }
    },
  }
}
