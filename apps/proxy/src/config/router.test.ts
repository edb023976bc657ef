import { describe, expect, it } from 'vitest'
import { load } from './server-options.fixture.ts'

const file = (sections: object) => JSON.stringify(sections)

describe('what the file says of routing', () => {
  it('may stand in both of its sections, and router_settings wins', () => {
    const { config } = load(
      file({
        router_settings: { num_retries: 1, fallbacks: [{ a: ['b'] }, { '*': ['c'] }], cooldown_time: 30 },
        litellm_settings: {
          num_retries: 5,
          allowed_fails: 7,
          request_timeout: 20,
          context_window_fallbacks: { a: ['d'] },
        },
      }),
    )
    expect(config.router).toMatchObject({ retries: 1, allowedFails: 7, cooldownMs: 30_000, timeoutMs: 20_000 })
    expect(config.router.fallbacks.general.get('a')).toEqual(['b'])
    expect(config.router.fallbacks.contextWindow.get('a')).toEqual(['d'])
    expect(config.router.fallbacks.others).toEqual(['c'])
  })

  it('is a warning where it names no model, or a strategy of LiteLLM that is not here', () => {
    const { warnings } = load(
      file({
        model_list: [{ model_name: 'small', litellm_params: { model: 'mock/m' } }],
        router_settings: { fallbacks: [{ small: ['smal'] }], routing_strategy: 'latency-based-routing' },
      }),
    )
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('simple-shuffle'),
      expect.stringContaining('did you mean small?'),
    ])
  })

  it.each([
    [{ num_retries: 11 }, 'at most 10'],
    [{ routing_strategy: 'fastest' }, 'routing_strategy'],
    [{ fallback: [] }, 'did you mean fallbacks?'],
    [{ fallbacks: 'b' }, 'must be a list of {model: [other models]}'],
  ])('is refused where nobody could follow it: %j', (router_settings, message) => {
    expect(() => load(file({ router_settings }))).toThrow(message)
  })
})
