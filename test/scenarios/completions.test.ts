import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
beforeAll(async () => {
  world = behind.use(
    await startChatWorld({
      models: () => [
        { model_name: 'claude', litellm_params: { model: 'anthropic/claude-fake', api_key: 'sk-ant-fake' } },
      ],
    }),
  )
})
afterAll(() => behind.disposeAsync())

const usage = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 }
const choices = [{ index: 0, text: ' world', finish_reason: 'stop', logprobs: null }]
const answered = {
  id: 'cmpl-1',
  object: 'text_completion',
  created: 1,
  model: 'gpt-fake',
  choices,
  usage,
  odd: { kept: 1 },
}

describe('completions', () => {
  verifies('models:completions', 'are relayed with unknown fields in both directions', async () => {
    for (const path of ['/v1/completions', '/completions']) {
      world.play(answered)
      const body = { model: 'gpt', prompt: ['hello'], suffix: '.', odd: true }
      expect(await world.gateway.json(path, { body })).toEqual(answered)
      expect(world.asked).toEqual([{ ...body, model: 'gpt-fake' }])
      expect(world.llm.requests.at(-1)).toMatchObject({ path: '/v1/completions' })
    }
    const [row] = await world.rows(1, ({ method }) => method === 'completions')
    expect(row).toMatchObject({ kind: 'generation', model: 'gpt-fake', promptTokens: 7, completionTokens: 2 })
  })

  verifies('models:completions', 'are streamed as their provider streams them', async () => {
    world.play({ events: [`data: ${JSON.stringify(answered)}\n\n`, 'data: [DONE]\n\n'] })
    const stream = await world.client().completions.create({ model: 'gpt', prompt: 'hello', stream: true })
    const texts: string[] = []
    for await (const { choices: pieces } of stream) texts.push(pieces[0]?.text ?? '')
    expect(texts).toEqual([' world'])
  })

  verifies('models:completions', 'are refused where the model has none, and where the key may not ask it', async () => {
    const none = await world.gateway.json('/v1/completions', { body: { model: 'claude', prompt: 'x' }, status: 400 })
    expect(none).toMatchObject({ error: { message: expect.stringContaining('has no completions') } })
    const key = await world.gateway.makeKey({ models: ['claude'] })
    await world.gateway.json('/v1/completions', { key, body: { model: 'gpt', prompt: 'x' }, status: 403 })
  })
})
