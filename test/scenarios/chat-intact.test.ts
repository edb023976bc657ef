import { request as httpRequest } from 'node:http'
import type { JsonObject } from '@toolgate/core'
import { completion, completionEvents, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, messagesIn, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
let server: RawMcpServer
let origin: string
beforeAll(async () => {
  server = behind.use(await startRawMcpServer())
  world = behind.use(await startChatWorld({ servers: { srv: { url: server.url } } }))
  origin = behind.use(await serveOnLoopback(world.gateway.app.fetch)).origin
})
afterAll(() => behind.disposeAsync())

const call = toolCall('srv-echo', { message: 'hi' }, 'call_1')
const asked = {
  n: 1,
  logprobs: true,
  top_logprobs: 2,
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
  reasoning_effort: 'low',
  reasoning: { summary: 'auto' },
  modalities: ['text', 'audio'],
  audio: { voice: 'alloy', format: 'wav' },
  prediction: { type: 'content', content: 'x' },
  unheard_of: { deep: [null, 'ö'] },
}
const messages = [
  { role: 'developer', content: 'Be kind.', cache_control: { type: 'ephemeral' } },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'go' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' } },
    ],
  },
]

describe.each([false, true])('a request with gateway tools, streamed: %s', (streamed) => {
  const script = (answer: JsonObject) => (streamed ? { events: completionEvents(answer) } : answer)
  const post = (body: object, status = 200) =>
    streamed
      ? world.gateway.request('/v1/chat/completions', { body: { ...body, stream: true } })
      : world.gateway.json('/v1/chat/completions', { body, status })

  verifies('chat:relays-unknown-fields', 'reaches the model with every field and part, in every round', async () => {
    world.play(script(completion({ content: null, tool_calls: [call] })), script(completion({ content: '{}' })))
    const answer = await post({ model: 'gpt', messages, tools: mcp(), ...asked })
    if (answer instanceof Response) await answer.text()
    for (const body of world.asked) expect(body).toMatchObject(asked)
    expect(world.asked.map((body) => messagesIn(body).slice(0, 2))).toEqual([messages, messages])
    expect(world.asked[1]?.['tools']).toEqual(world.asked[0]?.['tools'])
  })

  verifies('chat:relays-unknown-fields', 'for several answers is refused before a model is asked', async () => {
    world.play(completion({ content: 'x' }))
    const refused = await world.gateway.json('/v1/chat/completions', {
      body: { model: 'gpt', messages, tools: mcp(), n: 2, stream: streamed },
      status: 400,
    })
    expect(refused).toMatchObject({ error: { param: 'n' } })
    expect(world.asked).toEqual([])
  })
})

describe('an answer with gateway tools', () => {
  verifies('chat:relays-unknown-fields', 'keeps what the model said beside its text', async () => {
    const logprobs = { content: [{ token: 'a', logprob: -0.1, bytes: null, top_logprobs: [] }], refusal: null }
    const beside = {
      reasoning_content: 'hm',
      images: [{ type: 'image_url', image_url: { url: 'data:,' } }],
      audio: { id: 'audio_1', data: 'AAAA', transcript: 'x', expires_at: 1 },
      annotations: [{ type: 'url_citation' }],
    }
    const last = completion({ content: 'Done.', ...beside }, { service_tier: 'flex', system_fingerprint: 'fp' })
    const choices: JsonObject[] = JSON.parse(JSON.stringify(last['choices']))
    world.play(completion({ content: null, tool_calls: [call] }), {
      ...last,
      choices: choices.map((choice) => ({ ...choice, logprobs })),
    })
    expect(await world.complete()).toMatchObject({
      service_tier: 'flex',
      system_fingerprint: 'fp',
      choices: [{ logprobs, message: { content: 'Done.', ...beside } }],
    })
  })
})

/** Milliseconds; of several tries the best counts, as a busy machine may take its time. */
const soon = 100
const tries = 5

describe('a client that hangs up', () => {
  /** Does not resolve with the promise itself, which would be waited for. */
  type AtWork = () => Promise<{ readonly closed: Promise<unknown> }>

  /** Asks, waits until the other side is at work, hangs up, and measures until the other side knows. */
  async function hangUp(stream: boolean, atWork: AtWork): Promise<number> {
    const body = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'go' }], tools: mcp(), stream })
    const client = httpRequest(`${origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.gateway.masterKey}`, 'content-type': 'application/json' },
    })
    client.on('error', () => {})
    client.end(body)
    const { closed } = await atWork()
    const left = performance.now()
    client.destroy()
    await closed
    return performance.now() - left
  }

  async function best(stream: boolean, atWork: AtWork): Promise<number> {
    const times: number[] = []
    for (let count = 0; count < tries; count += 1) times.push(await hangUp(stream, atWork))
    return Math.min(...times)
  }

  for (const stream of [false, true]) {
    verifies('chat:hang-up-stops-all', `ends its tool within ${soon} ms, streamed: ${stream}`, async () => {
      const time = await best(stream, async () => {
        world.play({ events: completionEvents(completion({ content: null, tool_calls: [call] })) })
        if (!stream) world.play(completion({ content: null, tool_calls: [call] }))
        const arrived = Promise.withResolvers<{ closed: Promise<unknown> }>()
        server.answer((request) => {
          if (request.message['method'] !== 'tools/call') return undefined
          arrived.resolve({ closed: request.closed })
          return 'hang'
        })
        return arrived.promise
      })
      expect(time).toBeLessThan(soon)
    })

    verifies('chat:hang-up-stops-all', `ends its model within ${soon} ms, streamed: ${stream}`, async () => {
      const time = await best(stream, async () => {
        world.play({ hang: true })
        return world.llm.next()
      })
      expect(time).toBeLessThan(soon)
    })
  }
})
