import { isJsonObject } from '@toolgate/core'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, providerKey, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
let narrowKey: string
beforeAll(async () => {
  world = behind.use(
    await startChatWorld({
      models: () => [
        { model_name: 'words', litellm_params: { model: 'mock/embeddings' } },
        { model_name: 'claude', litellm_params: { model: 'anthropic/claude-fake', api_key: 'sk-ant-fake' } },
      ],
    }),
  )
  narrowKey = await world.gateway.makeKey({ models: ['claude'] })
})
afterAll(() => behind.disposeAsync())

const vector = {
  object: 'list',
  model: 'gpt-fake',
  data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.5], odd: 1 }],
}
const answered = { ...vector, usage: { prompt_tokens: 7, total_tokens: 7 }, unknown: { kept: true } }

describe('embeddings', () => {
  verifies('models:embeddings', 'are relayed with unknown fields in both directions', async () => {
    for (const path of ['/v1/embeddings', '/embeddings']) {
      world.play(answered)
      const body = { model: 'gpt', input: ['a text', 'another'], dimensions: 2, odd: { field: true } }
      expect(await world.gateway.json(path, { body })).toEqual(answered)
      expect(world.asked).toEqual([{ ...body, model: 'gpt-fake' }])
    }
    expect(world.llm.requests.at(-1)).toMatchObject({
      path: '/v1/embeddings',
      headers: { authorization: `Bearer ${providerKey}` },
    })
  })

  verifies('models:embeddings', 'leave a row with model and tokens', async () => {
    world.play(answered)
    await world.gateway.json('/v1/embeddings', { body: { model: 'gpt', input: 'a text' } })
    const [row] = await world.rows(1, ({ method }) => method === 'embeddings')
    expect(row).toMatchObject({
      kind: 'generation',
      model: 'gpt-fake',
      provider: 'openai',
      promptTokens: 7,
      outcome: 'ok',
      door: 'embeddings',
    })
  })

  verifies('models:embeddings', 'are refused as a chat completion is', async () => {
    const ask = (body: object, status: number, key?: string) =>
      world.gateway.json('/v1/embeddings', { body, status, ...(key !== undefined && { key }) })
    const failed = (message: unknown, code: string) => ({ error: { message, code } })
    const input = 'a text'
    expect(await ask({ model: 'gpt', input }, 403, narrowKey)).toMatchObject(
      failed(expect.stringContaining('not allowed'), '403'),
    )
    expect(await ask({ model: 'none', input }, 400)).toMatchObject(
      failed(expect.stringContaining('Unknown model'), '400'),
    )
    expect(await ask({ model: 'claude', input }, 400)).toMatchObject(
      failed(expect.stringContaining('makes no embeddings'), '400'),
    )
    expect(await ask({ model: 'gpt' }, 400)).toMatchObject(failed(expect.stringContaining('input'), '400'))
    world.play({ json: { error: { message: 'too many tokens', code: 'too_long' } }, status: 413 })
    expect(await ask({ model: 'gpt', input }, 413)).toMatchObject({ error: { code: 'too_long' } })
  })

  verifies(
    'models:embeddings',
    'of the offline model read as the official SDK reads them, nearer where words are shared',
    async () => {
      const input = ['create an issue', 'create one issue', 'boil water']
      const { data, usage } = await world.client().embeddings.create({ model: 'words', input })
      expect(usage.prompt_tokens).toBe(8)
      const [first = [], second = [], third = []] = data.map(({ embedding }) => embedding)
      const product = (left: number[], right: number[]) =>
        left.reduce((sum, value, at) => sum + value * (right[at] ?? 0), 0)
      expect(product(first, second)).toBeGreaterThan(product(first, third))
      const plain = await world.gateway.json('/v1/embeddings', { body: { model: 'words', input: input[0] } })
      const [item]: unknown[] = Array.isArray(plain['data']) ? plain['data'] : []
      expect(isJsonObject(item) ? item['embedding'] : undefined).toEqual(first)
    },
  )
})
