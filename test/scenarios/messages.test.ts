import type Anthropic from '@anthropic-ai/sdk'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import {
  completion,
  completionEvents,
  message,
  messageEvents,
  type ScriptedAnswer,
  toolCall,
} from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { claude, claudeKey } from './chat-models.ts'
import { mcp, messagesIn, offeredIn, resultsIn } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** `/v1/messages` with the official SDK: `claude` is Anthropic's, `gpt` is asked for chat completions. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  world = behind.use(await startToolWorld(startMcpServer, { models: (llm) => [claude(llm)] }))
})
afterAll(() => behind.disposeAsync())

type Params = Anthropic.MessageCreateParamsNonStreaming

const params = (request: object): Params =>
  JSON.parse(JSON.stringify({ model: 'gpt', max_tokens: 100, messages: [{ role: 'user', content: 'go' }], ...request }))

async function stream(request: object) {
  const reading = world.anthropic().messages.stream(params(request))
  const types: string[] = []
  for await (const event of reading) types.push(event.type)
  return { final: await reading.finalMessage(), types }
}

const thought = { type: 'thinking', thinking: 'Let me think.', signature: 'c2lnbmVk' }

describe('a message to Anthropic', () => {
  verifies('messages:relayed', 'is relayed as it is: query, betas, unknown fields, ids, bytes', async () => {
    const odd = { ...message([thought, { type: 'text', text: 'Hi.' }]), future_field: [1] }
    const body = {
      model: 'claude',
      max_tokens: 10,
      system: [{ type: 'text', text: 'Rules', cache_control: { type: 'ephemeral' } }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] }],
      tools: [{ name: 'later', input_schema: { type: 'object' }, defer_loading: true }],
      context_management: { edits: [] },
    }
    const headers = { 'anthropic-beta': 'a-1,b-2', 'anthropic-version': '2026-10-21', 'x-app': 'cli' }
    world.play({ json: odd })
    const answer = await world.gateway.json('/v1/messages?beta=true', { body, headers })
    expect(answer).toEqual(odd)
    const sent = world.llm.requests.at(-1)
    expect(sent).toMatchObject({ path: '/v1/messages?beta=true', headers: { ...headers, 'x-api-key': claudeKey } })
    expect(sent?.body).toEqual({ ...body, model: 'claude-fake' })
    expect(JSON.stringify(sent)).not.toContain(world.gateway.masterKey)

    const events = messageEvents(odd)
    world.play({ events })
    const streamed = await world.gateway.request('/v1/messages?beta=true', { body: { ...body, stream: true } })
    expect(await streamed.text()).toBe(events.join(''))
    await world.rows(
      1,
      ({ method, promptTokens, completionTokens }) =>
        method === 'messages' && promptTokens === 20 && completionTokens === 7,
    )
  })

  it('keeps its failures, in its own envelope', async () => {
    world.play({ status: 529, json: { type: 'error', error: { type: 'overloaded_error', message: 'busy' } } })
    await expect(world.anthropic().messages.create(params({ model: 'claude' }))).rejects.toMatchObject({
      status: 529,
      error: { type: 'error', error: { type: 'overloaded_error', message: expect.stringContaining('busy') } },
    })
  })

  verifies('messages:count-tokens', 'is counted by Anthropic, and about where nobody counts', async () => {
    world.play({ json: { input_tokens: 42 } })
    expect(await world.anthropic().messages.countTokens(params({ model: 'claude' }))).toEqual({ input_tokens: 42 })
    expect(world.llm.requests.at(-1)?.path).toBe('/v1/messages/count_tokens')
    world.play({ text: 'never', status: 500 })
    expect((await world.anthropic().messages.countTokens(params({}))).input_tokens).toBeGreaterThan(5)
    expect(world.asked).toEqual([])
  })
})

describe('a message to another model', () => {
  const weather = toolCall('get_weather', { city: 'Bern' }, 'call_w')
  const tools = [{ name: 'get_weather', description: 'd', input_schema: { type: 'object', properties: {} } }]

  verifies('messages:crossed', 'is crossed both ways, whole and streamed', async () => {
    const said = completion({ content: 'One moment.', reasoning_content: 'hm', tool_calls: [weather] })
    const request = {
      system: 'Be kind.',
      tools,
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      stop_sequences: ['X'],
    }
    world.play(said)
    const whole = await world.anthropic().messages.create(params(request))
    const expected = [
      { type: 'thinking', thinking: 'hm', signature: '' },
      { type: 'text', text: 'One moment.' },
      { type: 'tool_use', id: 'call_w', name: 'get_weather', input: { city: 'Bern' } },
    ]
    expect(whole).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'tool_use', content: expected })
    expect(whole.usage).toMatchObject({ input_tokens: 10, output_tokens: 5 })
    expect(world.asked[0]).toMatchObject({
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'go' },
      ],
      tool_choice: 'required',
      parallel_tool_calls: false,
      stop: ['X'],
      max_tokens: 100,
    })

    world.play(said)
    const { final, types } = await stream(request)
    expect(final).toMatchObject({ stop_reason: 'tool_use', content: expected, usage: { output_tokens: 5 } })
    expect(types[0]).toBe('message_start')
    expect(types.slice(-2)).toEqual(['message_delta', 'message_stop'])
  })

  verifies(
    'messages:claude-code',
    'takes what Claude Code sends: deferred tools, references, thinking, results',
    async () => {
      const long = `mcp__gateway__${'a_long_tool_name_'.repeat(4)}`
      world.play(completion({ content: null, tool_calls: [toolCall('set by the script', {}, 'call_1')] }))
      const deferred = { name: long, input_schema: { type: 'object' }, defer_loading: true }
      const offered = [
        ...tools,
        deferred,
        { name: 'DeferredToolPlaceholder', input_schema: {} },
        { type: 'web_search_20250305', name: 'web_search' },
      ]
      const messages = [
        { role: 'user', content: [{ type: 'text', text: 'Find it.', cache_control: { type: 'ephemeral' } }] },
        {
          role: 'assistant',
          content: [thought, { type: 'tool_use', id: 'toolu_s', name: 'ToolSearch', input: { query: 'x' } }],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_s', content: [{ type: 'tool_reference', tool_name: long }] },
            { type: 'text', text: '<system-reminder>' },
          ],
        },
      ]
      await world.anthropic().messages.create(params({ tools: offered, messages }))
      const names = offeredIn(world.asked[0])
      expect(names[0]).toBe('get_weather')
      expect(names).toHaveLength(2)
      expect(names[1]?.length).toBeLessThanOrEqual(64)
      expect(resultsIn(world.asked[0])).toEqual([`The tool ${long} can be called now.`])
      expect(messagesIn(world.asked[0]).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'user'])

      world.play(completion({ content: null, tool_calls: [toolCall(names[1] ?? '', { a: 1 }, 'call_1')] }))
      const { final } = await stream({ tools: offered, messages })
      expect(final.content).toMatchObject([{ type: 'tool_use', name: long, input: { a: 1 } }])
    },
  )

  it('that continues a thread is told that nobody keeps one, so that its client sends everything', async () => {
    const answer = await world.gateway.json('/v1/messages', {
      body: params({ thread: { type: 'continue', previous_message_id: 'msg_1' } }),
      status: 400,
    })
    expect(answer).toMatchObject({ type: 'error', error: { details: { error_code: 'thread_not_found' } } })
  })

  it('fails in its dialect, before and within its stream', async () => {
    for (const [status, type] of [
      [429, 'rate_limit_error'],
      [500, 'api_error'],
    ] as const) {
      world.play({ status, json: { error: { message: 'slow down', type: 'their_type' } } })
      await expect(world.anthropic().messages.create(params({}))).rejects.toMatchObject({
        status,
        error: { error: { type } },
      })
    }
    world.play({ events: completionEvents(completion({ content: 'Half' })).slice(0, 2) })
    await expect(stream({})).rejects.toMatchObject({ message: expect.stringContaining('stopped in the middle') })
  })
})

describe('a message with gateway tools', () => {
  verifies('messages:tools', 'is one message, of every model, and the client’s own tools come back to it', async () => {
    const own = { name: 'get_weather', input_schema: { type: 'object', properties: {} } }
    const first = completion({ content: 'Let me.', tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'c1')] })
    const second = completion({
      content: 'And the weather.',
      tool_calls: [toolCall('srv-count', { steps: 1 }, 'c2'), toolCall('get_weather', { city: 'Bern' }, 'c3')],
    })
    world.play(first, second)
    const asked = { tools: [own, ...mcp()] }
    const { final, types } = await stream(asked)
    expect(types.filter((type) => type === 'message_start')).toHaveLength(1)
    expect(final).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { type: 'text', text: 'Let me.\n\nAnd the weather.' },
        { type: 'tool_use', name: 'get_weather', input: { city: 'Bern' } },
      ],
    })

    world.play(completion({ content: 'It rains.' }))
    const call = final.content.find(({ type }) => type === 'tool_use')
    const result = {
      type: 'tool_result',
      tool_use_id: call !== undefined && 'id' in call ? call.id : '',
      content: 'rain',
    }
    const messages = [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: final.content },
      { role: 'user', content: [result] },
    ]
    const answer = await world.anthropic().messages.create(params({ ...asked, messages }))
    expect(answer).toMatchObject({ stop_reason: 'end_turn', content: [{ type: 'text', text: 'It rains.' }] })
    expect(resultsIn(world.asked[0])).toEqual(['hi', 'counted to 1', 'rain'])
  })

  verifies('messages:tools', 'works on a Claude model', async () => {
    const use = { type: 'tool_use', id: 'toolu_1', name: 'srv-echo', input: { message: 'hi' } }
    const rounds: ScriptedAnswer[] = [message([use]), message([{ type: 'text', text: 'It says hi.' }])].map((one) => ({
      events: messageEvents(one),
    }))
    world.play(...rounds)
    const { final } = await stream({ model: 'claude', tools: mcp() })
    expect(final.content).toMatchObject([{ type: 'text', text: 'It says hi.' }])
    const results = messagesIn(world.asked[1]).flatMap(({ content }): JsonObject[] =>
      Array.isArray(content) ? content.filter(isJsonObject) : [],
    )
    expect(results).toContainEqual(expect.objectContaining({ type: 'tool_result', tool_use_id: 'toolu_1' }))
  })
})
