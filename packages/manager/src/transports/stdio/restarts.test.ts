import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it } from 'vitest'
import { createRestarts } from './restarts.ts'

const never = { livedMs: undefined, crashed: true }
const briefly = { livedMs: 100, crashed: true }
const long = { livedMs: 60_000, crashed: true }

/** Delays after each of these lives, one after the other. */
function delaysAfter(lives: readonly { livedMs: number | undefined; crashed: boolean }[], random = 1): number[] {
  const clock = fakeClock()
  const restarts = createRestarts(clock, () => random)
  return lives.map((life) => {
    restarts.ended(life)
    const { delayMs } = restarts
    clock.advance(delayMs)
    expect(restarts.delayMs).toBe(0)
    return delayMs
  })
}

describe('the next start of a command', () => {
  it('is at once after the first crash, and later and later after more', () => {
    expect(delaysAfter([briefly, briefly, briefly, briefly])).toEqual([0, 500, 1_000, 2_000])
  })

  it('waits from the first time where the command never came up', () => {
    expect(delaysAfter([never, never, never])).toEqual([500, 1_000, 2_000])
  })

  it('waits no longer than the bound, however often', () => {
    expect(delaysAfter(Array.from({ length: 2_000 }, () => never)).at(-1)).toBe(30_000)
  })

  it('is at once again after a normal life, however it ended', () => {
    expect(delaysAfter([never, never, long, briefly])).toEqual([500, 1_000, 0, 500])
    expect(delaysAfter([never, never, { livedMs: 60_000, crashed: false }, briefly])).toEqual([500, 1_000, 0, 0])
  })

  it('does not wait for a child that was asked to end', () => {
    expect(delaysAfter([{ livedMs: 5, crashed: false }])).toEqual([0])
  })

  it('is spread, so that replicas do not start it at one moment', () => {
    expect(delaysAfter([never], 0)).toEqual([250])
    expect(delaysAfter([never], 0.5)).toEqual([375])
  })
})
