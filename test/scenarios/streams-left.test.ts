import type { CallRow } from '@toolgate/db'
import {
  completion,
  completionEvents,
  message,
  messageEvents,
  type ScriptedAnswer,
  toolCall,
} from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { geminiAnswers } from '@toolgate/testing/provider-answers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { claude, crossed, gemini } from './chat-models.ts'
import { mcp } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** Streams that are over before their provider has counted. A token that is asked costs a dollar, one that is answered ten. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  const prices = { input_cost_per_token: 1, output_cost_per_token: 10 }
  world = behind.use(
    await startToolWorld(startMcpServer, {
      models: (llm) => [crossed, claude, gemini].map((model) => model(llm, prices)),
    }),
  )
})
afterAll(() => behind.disposeAsync())

/** Forty characters: ten tokens. */
const words = 'Ten tokens are said before anybody goes.'
const question = 'How many tokens is a question? '.repeat(20)
const chatEvents = completionEvents(completion({ content: words }))

/** As of a provider that never counts. */
const uncounted = chatEvents.filter((event) => !event.includes('"usage"'))

/** All but the end of a stream, which then stays open. */
const unfinished = (events: readonly string[], without: number): ScriptedAnswer => ({
  events: events.slice(0, -without),
  afterwards: 'stay',
})

interface Left {
  readonly path: string
  readonly body: object
  readonly model: string
  readonly answer: ScriptedAnswer
}

const messages = [{ role: 'user', content: question }]
const geminiStream = geminiAnswers.stream({ text: words, calls: [{ id: 'c', name: 'f', input: {} }] })
const left: Record<string, Left> = {
  'chat completions': {
    path: '/v1/chat/completions',
    model: 'crossed',
    body: { messages, stream: true },
    answer: unfinished(chatEvents, 3),
  },
  'text completions': {
    path: '/v1/completions',
    model: 'crossed',
    body: { prompt: question, stream: true },
    answer: unfinished([`data: {"choices":[{"text":${JSON.stringify(words)}}]}\n\n`, ''], 1),
  },
  responses: {
    path: '/v1/responses',
    model: 'crossed',
    body: { input: question, stream: true },
    answer: unfinished(chatEvents, 3),
  },
  messages: {
    path: '/v1/messages',
    model: 'claude',
    body: { messages, max_tokens: 99, stream: true },
    answer: unfinished(messageEvents(message([{ type: 'text', text: words }])), 3),
  },
  gemini: {
    path: '/v1beta/models/gemini:streamGenerateContent?alt=sse',
    model: 'gemini',
    body: { contents: [{ role: 'user', parts: [{ text: question }] }] },
    answer: unfinished('events' in geminiStream ? geminiStream.events : [], 1),
  },
}

/** Reads until the model has said all of its words, and leaves. */
async function leave({ path, body, model, answer }: Left, key: string, requestId: string): Promise<CallRow> {
  world.play(answer)
  const response = await world.gateway.request(path, {
    key,
    headers: { 'x-request-id': requestId },
    body: { model, ...body },
  })
  const reader = response.body?.getReader()
  let read = ''
  while (!read.includes('goes.')) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) throw new Error(`the stream is over: ${read}`)
    read += Buffer.from(value).toString()
  }
  await reader?.cancel()
  const [row] = await world.rows(1, (one) => one.requestId === requestId && one.kind === 'generation')
  if (row === undefined) throw new Error('no row')
  return row
}

describe('a stream that its client leaves', () => {
  for (const [name, stream] of Object.entries(left)) {
    verifies('limits:left-streams', `costs what was asked and what was said: ${name}`, async () => {
      const key = await world.gateway.makeKey({ tpm_limit: 50 })
      const row = await leave(stream, key, `left-${name.replace(' ', '-')}`)
      // Anthropic counts what was asked at once; whatever was said is ten tokens and what stands around it.
      const asked = row.promptTokens ?? 0
      expect([20, Math.round(question.length / 4)].some((tokens) => Math.abs(asked - tokens) < 20)).toBe(true)
      expect(row.completionTokens).toBeGreaterThanOrEqual(10)
      expect(row.completionTokens).toBeLessThan(14)
      expect(row).toMatchObject({ estimated: true, spend: asked + 10 * (row.completionTokens ?? 0) })
    })
  }

  verifies('limits:left-streams', 'is held to the limits of its key, also in a round of a tool loop', async () => {
    const key = await world.gateway.makeKey({ tpm_limit: 50, object_permission: { mcp_servers: ['srv'] } })
    const chat = left['chat completions']
    if (chat === undefined) throw new Error('no such stream')
    const withTools = { ...chat, body: { ...chat.body, tools: mcp() } }
    expect(await leave(withTools, key, 'left-in-a-loop')).toMatchObject({ estimated: true, round: 1 })
    const refused = await world.gateway.request(chat.path, { key, body: { model: chat.model, messages } })
    expect(refused.status).toBe(429)
  })

  verifies('limits:left-streams', 'does not pay for the bytes of a picture', async () => {
    const key = await world.gateway.makeKey({})
    const url = `data:image/png;base64,${'A'.repeat(400_000)}`
    const picture = { role: 'user', content: [{ type: 'image_url', image_url: { url } }] }
    const chat = left['chat completions']
    if (chat === undefined) throw new Error('no such stream')
    const row = await leave({ ...chat, body: { messages: [picture], stream: true } }, key, 'left-picture')
    expect(row.promptTokens).toBeGreaterThan(900)
    expect(row.promptTokens).toBeLessThan(1_200)
  })

  verifies('limits:left-streams', 'does not pay for the bytes of a large file without an address', async () => {
    const key = await world.gateway.makeKey({})
    const file = { type: 'file', file: { filename: 'a.pdf', file_data: 'A'.repeat(6_500_000) } }
    const chat = left['chat completions']
    if (chat === undefined) throw new Error('no such stream')
    const body = { messages: [{ role: 'user', content: [file] }], stream: true }
    const row = await leave({ ...chat, body }, key, 'left-file')
    expect(row).toMatchObject({ estimated: true, outcome: 'ok' })
    expect(row.promptTokens).toBeGreaterThan(900)
    expect(row.promptTokens).toBeLessThan(1_200)
  })

  verifies('limits:left-streams', 'counts what was said in whatever spaces it was written', async () => {
    const key = await world.gateway.makeKey({})
    const spaced = { choices: [{ index: 0, delta: { content: words } }] }
    const answer = unfinished([`data: ${JSON.stringify(spaced, undefined, 1).replaceAll('\n', '')}\n\n`, ''], 1)
    const chat = left['chat completions']
    if (chat === undefined) throw new Error('no such stream')
    const row = await leave({ ...chat, answer }, key, 'left-spaced')
    expect(row.completionTokens).toBeGreaterThanOrEqual(10)
    expect(row.completionTokens).toBeLessThan(14)
  })
})

describe('a stream that breaks off', () => {
  verifies('limits:left-streams', 'costs what it had said', async () => {
    world.play({ events: chatEvents.slice(0, -3), afterwards: 'cut' })
    const headers = { 'x-request-id': 'broken-off' }
    const body = { model: 'crossed', messages, stream: true }
    await (await world.gateway.request('/v1/chat/completions', { headers, body })).text()
    const [row] = await world.rows(1, (one) => one.requestId === 'broken-off')
    expect(row).toMatchObject({ estimated: true, outcome: 'PROVIDER_UNREACHABLE' })
    expect(row?.completionTokens).toBeGreaterThanOrEqual(10)
  })
})

describe('a stream that is read to its end', () => {
  it.each([
    ['with its end', chatEvents],
    ['without', chatEvents.slice(0, -1)],
  ])('is counted and not estimated, %s', async (name, events) => {
    world.play({ events })
    const headers = { 'x-request-id': `whole-${name.replaceAll(' ', '-')}` }
    const body = { model: 'crossed', messages, stream: true }
    await (await world.gateway.request('/v1/chat/completions', { headers, body })).text()
    const [row] = await world.rows(1, (one) => one.requestId === headers['x-request-id'])
    expect(row).toMatchObject({ promptTokens: 10, completionTokens: 5, spend: 60, estimated: null })
  })

  verifies('limits:left-streams', 'costs what was asked and said where its provider counts nothing', async () => {
    for (const [name, events] of Object.entries({ finished: uncounted, 'without-an-end': uncounted.slice(0, -2) })) {
      world.play({ events })
      const headers = { 'x-request-id': `uncounted-${name}` }
      const body = { model: 'crossed', messages, stream: true }
      await (await world.gateway.request('/v1/chat/completions', { headers, body })).text()
      const [row] = await world.rows(1, (one) => one.requestId === headers['x-request-id'])
      expect(row).toMatchObject({ estimated: true, outcome: 'ok' })
      expect(row?.promptTokens).toBeGreaterThan(100)
      expect(row?.completionTokens).toBeGreaterThanOrEqual(10)
    }
  })

  verifies('limits:left-streams', 'costs that also where it was not streamed', async () => {
    const { usage: _counted, ...answer } = completion({ content: words })
    world.play({ json: answer })
    const headers = { 'x-request-id': 'uncounted-whole' }
    await (
      await world.gateway.request('/v1/chat/completions', { headers, body: { model: 'crossed', messages } })
    ).text()
    const [row] = await world.rows(1, (one) => one.requestId === headers['x-request-id'])
    expect(row).toMatchObject({ estimated: true, outcome: 'ok' })
    expect(row?.promptTokens).toBeGreaterThan(100)
    expect(row?.completionTokens).toBeGreaterThanOrEqual(10)
  })

  verifies('limits:left-streams', 'is counted where it came as one long document', async () => {
    const text = 'Some words "and more" of them. '.repeat(600_000)
    world.play({ json: { ...completion({ content: text }) } })
    const headers = { 'x-request-id': 'whole-document' }
    const body = { model: 'crossed', messages, stream: true }
    const response = await world.gateway.request('/v1/chat/completions', { headers, body })
    expect((await response.text()).length).toBeGreaterThan(text.length)
    const [row] = await world.rows(1, (one) => one.requestId === 'whole-document')
    expect(row).toMatchObject({ promptTokens: 10, completionTokens: 5, estimated: null, outcome: 'ok' })
  })

  it('with tools is likewise', async () => {
    const use = completion({ content: words, tool_calls: [toolCall('srv-echo', { message: 'hi' })] })
    world.play(use, completion({ content: words }))
    const headers = { 'x-request-id': 'whole-loop' }
    const body = { model: 'crossed', messages, stream: true, tools: mcp() }
    await (await world.gateway.request('/v1/chat/completions', { headers, body })).text()
    const rows = await world.rows(2, (one) => one.requestId === 'whole-loop' && one.kind === 'generation')
    expect(rows.map(({ estimated, spend }) => [estimated, spend])).toEqual([
      [null, 60],
      [null, 60],
    ])
  })
})
