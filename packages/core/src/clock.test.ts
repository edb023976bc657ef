import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { sleep, startDeadline, systemClock as clock } from './clock.ts'
import { untilAborted } from './until-aborted.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('systemClock', () => {
  const days = 24 * 3_600_000

  it.each([2_147_483_647, 2_147_483_648, 100 * days])('waits %d ms, also where a timer of Node holds less', (ms) => {
    const runs: string[] = []
    clock.after(ms, () => runs.push('after'))
    const stop = clock.every(ms, () => runs.push('every'))
    vi.advanceTimersByTime(ms - 1)
    expect(runs).toEqual([])
    vi.advanceTimersByTime(1)
    expect(runs.toSorted()).toEqual(['after', 'every'])
    vi.advanceTimersByTime(ms)
    expect(runs).toHaveLength(3)
    stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('forgets what is cancelled in any part of a long wait', () => {
    const cancel = clock.after(100 * days, () => expect.unreachable())
    vi.advanceTimersByTime(60 * days)
    cancel()
    const never = clock.after(Number.POSITIVE_INFINITY, () => expect.unreachable())
    vi.advanceTimersByTime(100 * days)
    never()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('startDeadline', () => {
  it('aborts with a TimeoutError when its time is up', () => {
    const { signal } = startDeadline(clock, 100)
    vi.advanceTimersByTime(99)
    expect(signal.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('aborts with the reason of what it is within, where that is sooner', () => {
    const outer = new AbortController()
    const { signal } = startDeadline(clock, 100, outer.signal)
    outer.abort('gone')
    expect(signal.reason).toBe('gone')
  })

  it('leaves no timer and never aborts once it is disposed', () => {
    const ended = (() => {
      using deadline = startDeadline(clock, 100)
      return deadline.signal
    })()
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(200)
    expect(ended.aborted).toBe(false)
  })
})

describe('sleep', () => {
  it.each(['its time is up', 'its signal aborts'])('resolves when %s, and leaves no timer', async (end) => {
    const controller = new AbortController()
    const slept = sleep(clock, 100, controller.signal)
    if (end === 'its time is up') vi.advanceTimersByTime(100)
    else controller.abort()
    await slept
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not begin once its signal has aborted', async () => {
    const slept = sleep(clock, 100, AbortSignal.abort())
    expect(vi.getTimerCount()).toBe(0)
    await slept
  })
})

describe('untilAborted', () => {
  it('settles as the work does', async () => {
    const { signal } = new AbortController()
    await expect(untilAborted(signal, async () => 'done')).resolves.toBe('done')
    await expect(untilAborted(signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  it('rejects with the reason of the signal, whatever the work makes of it', async () => {
    const controller = new AbortController()
    const waiting = untilAborted(controller.signal, () => {
      const { promise, reject } = Promise.withResolvers<never>()
      controller.signal.addEventListener('abort', () => reject(new Error('mine')))
      return promise
    })
    const reason = new Error('gone')
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  it('does not begin once the signal has aborted', async () => {
    let begun = false
    const waiting = untilAborted(AbortSignal.abort(new Error('gone')), async () => {
      begun = true
    })
    await expect(waiting).rejects.toThrow('gone')
    expect(begun).toBe(false)
  })
})
