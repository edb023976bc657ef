import { GoogleGenAI } from '@google/genai'
import Anthropic from '@anthropic-ai/sdk'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, startChatWorld } from './chat-world.ts'

/** Streams in which nothing is said while a tool runs, of a model that knows chat completions alone. */
const behind = new AsyncDisposableStack()
const clock = fakeClock()
let world: ChatWorld
let server: RawMcpServer
let origin: string
let finish: (() => void) | undefined
beforeAll(async () => {
  server = behind.use(
    await startRawMcpServer((request) => {
      if (request.message['method'] !== 'tools/call') return undefined
      const { promise, resolve } = Promise.withResolvers<object>()
      finish = () => resolve({ body: resultFor(request, { content: [{ type: 'text', text: 'looked' }] }) })
      return promise
    }),
  )
  const litellm_params = { model: 'openai/words', api_key: 'sk', use_chat_completions_api: true }
  world = behind.use(
    await startChatWorld({
      clock,
      servers: { srv: { url: server.url, timeout: 3_000 } },
      models: (llm) => [{ model_name: 'words', litellm_params: { ...litellm_params, api_base: `${llm.origin}/v1` } }],
    }),
  )
  origin = behind.use(await serveOnLoopback(world.gateway.app.fetch)).origin
})
afterAll(() => behind.disposeAsync())

const called = toolCall('srv-echo', {}, 'c')
const play = () =>
  world.play(completion({ content: 'Let me.', tool_calls: [called] }), completion({ content: 'Done.' }))

/** Nothing is said for a quarter of a minute, some times over; then the tool is done. */
async function beSilent(heard: () => void): Promise<void> {
  await vi.waitFor(() => expect(finish).toBeDefined(), { timeout: 10_000 })
  await vi.waitFor(
    () => {
      clock.advance(15_000)
      heard()
    },
    { timeout: 10_000 },
  )
  finish?.()
  finish = undefined
}

/** Long enough for several comments, which an SDK shows nobody. */
function someTimes(): () => void {
  let times = 0
  return () => expect((times += 1)).toBeGreaterThan(4)
}

const messages = [{ role: 'user', content: 'go' }] as const
const contents = [{ role: 'user', parts: [{ text: 'go' }] }]

describe('a stream whose tool takes its time', () => {
  for (const [path, asked] of [
    ['/v1/chat/completions', { messages }],
    ['/v1/responses', { input: 'go' }],
    ['/v1/messages', { messages, max_tokens: 9 }],
    ['/v1beta/models/words:streamGenerateContent?alt=sse', { contents }],
  ] as const) {
    verifies('chat:signs-of-life', `has comments meanwhile: ${path}`, async () => {
      play()
      const body = { model: 'words', stream: true, ...asked, tools: mcp() }
      const response = await world.gateway.request(path, { body })
      let text = ''
      const reading = (async () => {
        for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += piece
      })()
      await beSilent(() => expect(text).toContain('\n\n: '))
      await reading
      expect(text).toContain('Done.')
    })
  }

  verifies('chat:signs-of-life', 'is read by the SDKs of Anthropic and Google all the same', async () => {
    const headers = { 'x-mcp-servers': 'srv' }
    const apiKey = world.gateway.masterKey
    play()
    const claude = new Anthropic({ apiKey, baseURL: origin, defaultHeaders: headers, maxRetries: 0 })
    const said = claude.messages.stream({ model: 'words', max_tokens: 9, messages: [...messages] }).finalText()
    await beSilent(someTimes())
    expect(await said).toBe('Let me.\n\nDone.')

    play()
    const google = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: origin, headers } })
    const pieces: string[] = []
    const reading = (async () => {
      for await (const { text } of await google.models.generateContentStream({ model: 'words', contents })) {
        pieces.push(text ?? '')
      }
    })()
    await beSilent(someTimes())
    await reading
    expect(pieces.join('')).toBe('Let me.\n\nDone.')
  })
})
