import { describe, expect, it } from 'vitest'
import { costOf } from './spend.ts'

const prices = { input: 1, output: 10, cacheRead: 0.1, cacheWrite: 2 }

describe('what an answer costs', () => {
  it.each([
    ['chat', { prompt_tokens: 10, completion_tokens: 2 }, 30],
    ['chat, cached', { prompt_tokens: 10, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 5 } }, 5.5],
    ['responses', { input_tokens: 10, output_tokens: 1, input_tokens_details: { cached_tokens: 10 } }, 11],
    [
      'messages',
      { input_tokens: 10, output_tokens: 1, cache_read_input_tokens: 10, cache_creation_input_tokens: 2 },
      25,
    ],
    ['more in the cache than there was', { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 99 } }, 0.1],
    ['nonsense', { prompt_tokens: 'many', completion_tokens: -4 }, 0],
  ])('is known for %s', (_, usage, cost) => {
    expect(costOf(usage, prices)).toBeCloseTo(cost)
  })

  it('is unknown without prices or counts, and a cache without its own price costs as much as any token', () => {
    expect(costOf({ prompt_tokens: 1 }, undefined)).toBeUndefined()
    expect(costOf(undefined, prices)).toBeUndefined()
    expect(costOf({ prompt_tokens: 4, prompt_tokens_details: { cached_tokens: 4 } }, { input: 1, output: 1 })).toBe(4)
  })
})
