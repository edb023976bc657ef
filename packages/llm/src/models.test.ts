import { type CallTrace, GatewayError, type JsonObject, noGrants, type Recorder } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds, readText } from '@toolgate/testing/llm-loop'
import { describe, expect, it } from 'vitest'
import type { Deployment } from './deployment.ts'
import { createModels, type ModelsOptions } from './models.ts'
import type { LlmProvider } from './providers/provider.ts'

function deployment(modelName: string, upstreamModel: string, provider: Partial<LlmProvider> = {}): Deployment {
  return {
    modelName,
    upstreamModel,
    provider: {
      type: 'fake',
      generate: async (body) => ({ answered: body, usage: { prompt_tokens: 3, completion_tokens: 4 } }),
      stream: async () => streamOf('data: {"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n', 'data: [DONE]\n\n'),
      ...provider,
    },
  }
}

async function* streamOf(...events: string[]) {
  for (const event of events) yield Buffer.from(event)
}

function setup(deployments: Deployment[], overrides: Partial<ModelsOptions> = {}) {
  const rows: CallTrace[] = []
  const record: Recorder = async ({ trace }, run) => {
    try {
      return await run()
    } finally {
      rows.push(trace)
    }
  }
  const models = createModels({
    deployments: () => deployments,
    record,
    policies: [],
    clock: fakeClock(),
    newId: countingIds(),
    random: () => 0,
    ...overrides,
  })
  return { models, rows }
}

const granted = (...models: string[]) => principalOf({ grants: { ...noGrants, models: new Set(models) } })
const request = (model: string, more: JsonObject = {}) => ({ body: { model, messages: [], ...more } })

describe('which deployment answers', () => {
  const deployments = [
    deployment('fast', 'gpt-small'),
    deployment('openai/*', '*'),
    deployment('openai/gpt-4*', 'special-*'),
    deployment('anything-*', 'fixed'),
  ]

  it.each([
    ['fast', 'gpt-small'],
    ['openai/o3', 'o3'],
    ['openai/gpt-4o', 'special-o'],
    ['anything-else', 'fixed'],
  ])('%s is asked for as %s', async (name, upstream) => {
    const { models } = setup(deployments)
    const answer = await models.generate(callerOf(), request(name, { unknown: { x: 1 } }))
    expect(answer['answered']).toEqual({ model: upstream, messages: [], unknown: { x: 1 } })
  })

  it('is one of those that there are when it is asked', async () => {
    let current = [deployment('fast', 'former')]
    const { models } = setup([], { deployments: () => current })
    current = [deployment('fast', 'later')]
    expect(await models.generate(callerOf(), request('fast'))).toMatchObject({ answered: { model: 'later' } })
  })

  it('shares the load over the deployments of one name', async () => {
    const twins = [deployment('m', 'a'), deployment('m', 'b')]
    for (const [random, upstream] of [
      [0, 'a'],
      [0.4, 'a'],
      [0.5, 'b'],
      [0.99, 'b'],
    ] as const) {
      const { models } = setup(twins, { random: () => random })
      expect(await models.generate(callerOf(), request('m'))).toMatchObject({ answered: { model: upstream } })
    }
  })

  it('an unknown model is an error naming those the key may use, at most 20', async () => {
    const many = Array.from({ length: 25 }, (_, index) => deployment(`m${index}`, 'x'))
    await expect(setup(many).models.generate(callerOf(), request('nope'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringMatching(/^Unknown model "nope"\. This key may use: m0, .*m19 and 5 more\.$/),
    })
  })

  it.each([{}, { model: 5 }])('a request that names none (%j) is invalid', async (body) => {
    await expect(setup([]).models.generate(callerOf(), { body })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })
})

describe('who may use what', () => {
  const deployments = [deployment('fast', 'x'), deployment('openai/*', '*'), deployment('secret', 'y')]

  it.each([
    [[], ['fast', 'openai/*', 'secret']],
    [['fast'], ['fast']],
    [['openai/*'], ['openai/*']],
    [['openai/o3', 'gone'], ['openai/o3']],
    [['*'], ['fast', 'openai/*', 'secret']],
    [['no-default-models'], []],
  ])('models %j list %j', (models, listed) => {
    expect(setup(deployments).models.list(granted(...models))).toEqual(listed)
  })

  it.each([
    [['fast'], 'fast'],
    [['openai/*'], 'openai/o3'],
    [['openai/o3'], 'openai/o3'],
    [[], 'secret'],
  ])('models %j may ask for %s', async (models, model) => {
    const asked = setup(deployments).models.generate(callerOf({ principal: granted(...models) }), request(model))
    await expect(asked).resolves.toHaveProperty('answered')
    expect(setup(deployments).models.serves(granted(...models), model)).toBe(true)
  })

  it.each([
    [['fast', 'b'], 'secret'],
    [['openai/*'], 'fast'],
    [['fast'], 'not-even-there'],
  ])('models %j may not ask for %s, in the words clients know', async (models, model) => {
    const asked = setup(deployments).models.generate(callerOf({ principal: granted(...models) }), request(model))
    const names = models.map((name) => `'${name}'`).join(', ')
    await expect(asked).rejects.toMatchObject({
      code: 'MODEL_NOT_ALLOWED',
      message: `key not allowed to access model. This key can only access models=[${names}]. Tried to access ${model}`,
    })
  })
})

describe('the rings', () => {
  it('stand as record, authorize, policies, route', async () => {
    const order: string[] = []
    const { models, rows } = setup([deployment('m', 'x')], {
      policies: [
        async (call, next) => {
          order.push(`policy ${call.model}`)
          return next(call)
        },
      ],
    })
    await expect(models.generate(callerOf({ principal: granted('other') }), request('m'))).rejects.toThrow(
      'not allowed',
    )
    expect(order).toEqual([])
    await expect(models.generate(callerOf(), request('nope'))).rejects.toThrow('Unknown model')
    await models.generate(callerOf(), { ...request('m'), round: 2 })
    expect(order).toEqual(['policy nope', 'policy m'])
    expect(rows).toMatchObject([
      { outcome: 'MODEL_NOT_ALLOWED', publicName: 'm' },
      { outcome: 'MODEL_NOT_FOUND', publicName: 'nope' },
      {
        outcome: 'ok',
        kind: 'generation',
        model: 'x',
        provider: 'fake',
        round: 2,
        promptTokens: 3,
        completionTokens: 4,
      },
    ])
  })

  it('stay closed around a stream until it was read, and the row has its usage', async () => {
    const { models, rows } = setup([deployment('m', 'x')])
    const bytes = await models.stream(callerOf(), request('m'))
    expect(rows).toEqual([])
    expect(await readText(bytes)).toBe('data: {"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n')
    await expect.poll(() => rows).toMatchObject([{ outcome: 'ok', promptTokens: 1, completionTokens: 2 }])
  })

  it('end with a stream that its reader leaves, fails, or never begins', async () => {
    const broken = deployment('broken', 'x', {
      stream: async () =>
        (async function* () {
          yield Buffer.from('data: 1\n\n')
          throw new GatewayError('PROVIDER_TIMEOUT', 'late')
        })(),
    })
    const { models, rows } = setup([deployment('m', 'x'), broken])
    for await (const _ of await models.stream(callerOf(), request('m'))) break
    await expect(models.stream(callerOf(), request('broken')).then(readText)).rejects.toThrow('late')
    const client = new AbortController()
    await models.stream(callerOf({ signal: client.signal }), request('m'))
    client.abort()
    await expect.poll(() => rows.map(({ outcome }) => outcome)).toEqual(['ok', 'PROVIDER_TIMEOUT', 'CANCELLED'])
  })

  it('turn a stream that cannot be opened into an error of the request', async () => {
    const down = deployment('m', 'x', {
      stream: async () => {
        throw new GatewayError('PROVIDER_UNREACHABLE', 'down')
      },
    })
    const { models, rows } = setup([down])
    await expect(models.stream(callerOf(), request('m'))).rejects.toMatchObject({ code: 'PROVIDER_UNREACHABLE' })
    expect(rows).toMatchObject([{ outcome: 'PROVIDER_UNREACHABLE' }])
  })
})
