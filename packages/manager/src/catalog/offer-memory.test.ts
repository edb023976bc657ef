import { describe, expect, it, vi } from 'vitest'
import { createOfferMemory, type Offered } from './offer-memory.ts'

const offered = (): Offered => ({ items: [], withheld: [], unapproved: [] })

describe('the memory of offers', () => {
  it('makes one for each basis: objects are told by which they are, texts by what they say', () => {
    const memory = createOfferMemory()
    const make = vi.fn(offered)
    const [one, other] = [{}, {}]
    const first = memory.of(['tools', [one, ['a']]], make)
    expect(memory.of(['tools', [one, ['a']]], make)).toBe(first)
    expect(make).toHaveBeenCalledTimes(1)
    for (const basis of [
      ['tools', [other, ['a']]],
      ['tools', [one, ['b']]],
      ['tools', [one], ['a']],
      [[], one],
    ]) {
      expect(memory.of(basis, make)).not.toBe(first)
    }
  })

  it('keeps no more than its bound, and what was asked for last', () => {
    const memory = createOfferMemory({ maxItems: 200 })
    const [a, b] = [memory.of(['a'], offered), memory.of(['b'], offered)]
    expect(memory.of(['a'], offered)).toBe(a)
    memory.of(['c'], offered)
    expect(memory.of(['a'], offered)).toBe(a)
    expect(memory.of(['b'], offered)).not.toBe(b)
  })
})
