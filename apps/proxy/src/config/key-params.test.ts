import { describe, expect, it } from 'vitest'
import { load } from './server-options.fixture.ts'

const settings = (defaults: object, bounds: object) =>
  JSON.stringify({
    litellm_settings: { default_key_generate_params: defaults, upperbound_key_generate_params: bounds },
  })

describe('what the file says of every key', () => {
  it('is read in the fields of the key API', () => {
    const { config } = load(settings({ models: ['small'], duration: '30d' }, { duration: '90d', max_budget: 100 }))
    expect(config).toMatchObject({
      keyDefaults: { models: ['small'], duration: '30d' },
      keyUpperBounds: { duration: '90d', max_budget: 100 },
    })
    expect(load('{}').config).toMatchObject({ keyDefaults: {}, keyUpperBounds: {} })
  })

  it.each([
    [{ max_budgt: 1 }, {}, 'default_key_generate_params.max_budgt is not a known key; did you mean max_budget?'],
    [{ max_budget: '1' }, {}, 'default_key_generate_params.max_budget must be a number'],
    [{ duration: 'soon' }, {}, 'default_key_generate_params.duration must be a duration'],
    [{}, { rpm_limit: -1 }, 'upperbound_key_generate_params.rpm_limit'],
    [{}, { rpm_limits: 1 }, 'did you mean rpm_limit?'],
    [{ max_budget: 5 }, { max_budget: 4 }, 'default_key_generate_params.max_budget is above its bound'],
    [{ duration: '2mo' }, { duration: '30d' }, 'default_key_generate_params.duration is above its bound'],
  ])('is refused where no request could follow it: %j, %j', (defaults, bounds, message) => {
    expect(() => load(settings(defaults, bounds))).toThrow(message)
  })
})
