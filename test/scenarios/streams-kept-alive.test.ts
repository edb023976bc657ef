import { type GenerateContentResponse, GoogleGenAI } from '@google/genai'
import Anthropic from '@anthropic-ai/sdk'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { completion, type ScriptedAnswer, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { geminiAnswers } from '@toolgate/testing/provider-answers'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { gemini } from './chat-models.ts'
import { type ChatWorld, mcp, startChatWorld } from './chat-world.ts'

/** Streams in which nothing is said while a tool runs: `words` knows chat completions alone, `gemini` Google's dialect. */
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
      models: (llm) => [
        { model_name: 'words', litellm_params: { ...litellm_params, api_base: `${llm.origin}/v1` } },
        gemini(llm),
      ],
    }),
  )
  origin = behind.use(await serveOnLoopback(world.gateway.app.fetch)).origin
})
afterAll(() => behind.disposeAsync())

const called = toolCall('srv-echo', {}, 'c')
const play = () =>
  world.play(completion({ content: 'Let me.', tool_calls: [called] }), completion({ content: 'Done.' }))
const streamOf = (...said: Parameters<typeof geminiAnswers.stream>): ScriptedAnswer => geminiAnswers.stream(...said)
const playGemini = () =>
  world.play(
    streamOf({ text: 'Let me.', calls: [{ id: 'c', name: 'srv-echo', input: {} }] }),
    streamOf({ text: 'Done.' }),
  )

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

/** The bytes of a stream whose tool is silent until there is `sign` in it. */
async function silentStream(path: string, body: object, sign: string): Promise<string> {
  const response = await world.gateway.request(path, { body: { stream: true, ...body, tools: mcp() } })
  let text = ''
  const reading = (async () => {
    for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) text += piece
  })()
  await beSilent(() => expect(text).toContain(sign))
  await reading
  expect(text).toContain('Done.')
  return text
}

describe('a stream whose tool takes its time', () => {
  for (const [path, asked] of [
    ['/v1/chat/completions', { messages }],
    ['/v1/responses', { input: 'go' }],
    ['/v1/messages', { messages, max_tokens: 9 }],
  ] as const) {
    verifies('chat:signs-of-life', `has comments meanwhile: ${path}`, async () => {
      play()
      await silentStream(path, { model: 'words', ...asked }, '\n\n: ')
    })
  }

  for (const [model, playModel] of [
    ['words', play],
    ['gemini', playGemini],
  ] as const) {
    const path = `/v1beta/models/${model}:streamGenerateContent`
    const sign = '{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"index":0}]}'

    verifies('chat:signs-of-life', `has no comment at Google's door: ${model}`, async () => {
      playModel()
      const text = await silentStream(`${path}?alt=sse`, { contents }, `\n\ndata: ${sign}\n\n`)
      expect(text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('data: {'))).toEqual([])
      playModel()
      expect(JSON.parse(await silentStream(path, { contents }, sign))).toContainEqual(JSON.parse(sign))
    })

    verifies('chat:signs-of-life', `stays in what Google's chats remember: ${model}`, async () => {
      playModel()
      const chat = google().chats.create({ model })
      const said = textOf(await chat.sendMessageStream({ message: 'go' }))
      await beSilent(someTimes())
      expect(await said).toBe('Let me.\n\nDone.')
      const remembered = chat.getHistory(true).flatMap(({ parts = [] }) => parts.map(({ text = '' }) => text))
      expect(remembered.join('')).toBe('goLet me.\n\nDone.')
    })
  }

  verifies('chat:signs-of-life', "is read by Anthropic's SDK all the same", async () => {
    play()
    const claude = new Anthropic({ apiKey: world.gateway.masterKey, baseURL: origin, defaultHeaders, maxRetries: 0 })
    const said = claude.messages.stream({ model: 'words', max_tokens: 9, messages: [...messages] }).finalText()
    await beSilent(someTimes())
    expect(await said).toBe('Let me.\n\nDone.')
  })
})

const defaultHeaders = { 'x-mcp-servers': 'srv' }

function google(): GoogleGenAI {
  return new GoogleGenAI({
    apiKey: world.gateway.masterKey,
    httpOptions: { baseUrl: origin, headers: defaultHeaders },
  })
}

async function textOf(pieces: AsyncIterable<GenerateContentResponse>): Promise<string> {
  let all = ''
  for await (const { text } of pieces) all += text ?? ''
  return all
}
