import { describe, expect, it } from 'vitest'
import { createSingleFlight } from './single-flight.ts'

const never = new AbortController().signal

describe('single flight', () => {
  it('runs the work once for everyone who asks while it runs', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const fly = createSingleFlight<string>()
    let runs = 0
    const work = () => {
      runs += 1
      return promise
    }
    const passengers = Array.from({ length: 50 }, () => fly('key', never, work))
    resolve('landed')
    expect(await Promise.all(passengers)).toEqual(Array.from({ length: 50 }, () => 'landed'))
    expect(runs).toBe(1)
  })

  it('caches neither results nor failures', async () => {
    const fly = createSingleFlight<number>()
    await expect(fly('key', never, () => Promise.reject(new Error('first')))).rejects.toThrow('first')
    expect(await fly('key', never, async () => 2)).toBe(2)
    expect(await fly('key', never, async () => 3)).toBe(3)
  })

  it('goes on for the others when one caller leaves', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const fly = createSingleFlight<string>()
    const leaver = new AbortController()
    const left = fly('key', leaver.signal, () => promise)
    const stays = fly('key', never, () => promise)
    leaver.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    resolve('landed')
    expect(await stays).toBe('landed')
  })

  it('aborts the work when the last caller has left, and the next caller starts afresh', async () => {
    const fly = createSingleFlight<string>()
    const leaver = new AbortController()
    let workSignal: AbortSignal | undefined
    const left = fly('key', leaver.signal, (signal) => {
      workSignal = signal
      return new Promise(() => {})
    })
    leaver.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    expect(workSignal?.aborted).toBe(true)
    expect(await fly('key', never, async () => 'fresh')).toBe('fresh')
  })

  it('leaves the signal of finished work alone', async () => {
    const fly = createSingleFlight<string>()
    let workSignal: AbortSignal | undefined
    await fly('key', never, async (signal) => {
      workSignal = signal
      return 'done'
    })
    expect(workSignal?.aborted).toBe(false)
  })
})
