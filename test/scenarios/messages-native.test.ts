import type Anthropic from '@anthropic-ai/sdk'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { message, messageEvents } from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { claude, claudeKey } from './chat-models.ts'
import { mcp, messagesIn } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** The tool loop behind `/v1/messages` on a Claude model, with the official SDK: every round is in Anthropic's dialect. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  world = behind.use(await startToolWorld(startMcpServer, { models: (llm) => [claude(llm)] }))
})
afterAll(() => behind.disposeAsync())

const cached = { type: 'ephemeral' }
const own = { name: 'get_weather', input_schema: { type: 'object', odd: true }, cache_control: cached }
const question = { role: 'user', content: [{ type: 'text', text: 'go', cache_control: cached }] }

const params = (request: object): Anthropic.MessageCreateParamsNonStreaming =>
  JSON.parse(
    JSON.stringify({ model: 'claude', max_tokens: 100, messages: [question], tools: [own, ...mcp()], ...request }),
  )

async function stream(request: object, options: Anthropic.RequestOptions = {}) {
  const reading = world.anthropic().messages.stream(params(request), options)
  const types: string[] = []
  for await (const event of reading) types.push(event.type)
  return { final: await reading.finalMessage(), types }
}

const blocksIn = (said: JsonObject | undefined) =>
  Array.isArray(said?.['content']) ? said['content'].filter(isJsonObject) : []

/** Messages are streamed where the script says so. */
const played = (streamed: boolean, ...answers: JsonObject[]) =>
  world.play(...answers.map((answer) => (streamed ? { events: messageEvents(answer) } : { json: answer })))

const thought = { type: 'thinking', thinking: 'Let me think.', signature: 'c2lnbmVk' }
const sealed = { type: 'redacted_thinking', data: 'c2VhbGVk' }
const text = (words: string) => ({ type: 'text', text: words })
const use = (name: string, input: JsonObject, id: string) => ({ type: 'tool_use', id, name, input })
const echo = use('srv-echo', { message: 'hi' }, 'toolu_1')

describe.each([false, true])('a message with gateway tools to Claude, streamed: %s', (streamed) => {
  const ask = async (request: object, options: Anthropic.RequestOptions = {}) =>
    streamed ? (await stream(request, options)).final : world.anthropic().messages.create(params(request), options)

  verifies('messages:native-rounds', 'goes on with what the model signed, and with every cache mark', async () => {
    const first = [thought, sealed, text('I look.'), echo]
    played(streamed, message(first), message([{ ...thought, thinking: 'Now.' }, text('It says hi.')]))
    const final = await ask({ system: [{ ...text('Rules.'), cache_control: cached }], thinking: { type: 'adaptive' } })
    expect(world.asked[1]).toMatchObject({
      system: [{ cache_control: cached }],
      thinking: { type: 'adaptive' },
      messages: [
        question,
        { role: 'assistant', content: first },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'hi' }] },
      ],
    })
    const [offered] = [world.asked[1]?.['tools']].filter(Array.isArray)
    expect(offered?.[0]).toEqual(own)
    expect(offered?.[1]).toMatchObject({ input_schema: { type: 'object' } })
    expect(final).toMatchObject({
      stop_reason: 'end_turn',
      content: [thought, sealed, text('I look.'), { ...thought, thinking: 'Now.' }, text('It says hi.')],
      usage: { output_tokens: 14 },
    })
  })

  verifies('messages:native-rounds', 'takes version and betas along in every round', async () => {
    played(streamed, message([echo]), message([text('ok')]))
    const query = { beta: true, key: world.gateway.masterKey }
    await ask({}, { headers: { 'anthropic-beta': 'a-1,b-2' }, query })
    expect(world.llm.requests.slice(-2)).toMatchObject(
      [1, 2].map(() => ({
        path: '/v1/messages?beta=true',
        headers: { 'anthropic-beta': 'a-1,b-2', 'x-api-key': claudeKey },
      })),
    )
  })

  verifies('messages:native-rounds', 'hands the client its own calls, and goes on with all of them', async () => {
    const second = [thought, use('srv-count', { steps: 1 }, 'toolu_2'), use('get_weather', { city: 'Bern' }, 'toolu_3')]
    played(streamed, message([echo]), message(second))
    const final = await ask({})
    expect(final).toMatchObject({
      stop_reason: 'tool_use',
      content: [thought, { type: 'tool_use', name: 'get_weather', input: { city: 'Bern' } }],
    })

    played(streamed, message([text('It rains.')]))
    const id = final.content.flatMap((block) => (block.type === 'tool_use' ? [block.id] : []))[0] ?? ''
    const result = { type: 'tool_result', tool_use_id: id, content: 'rain' }
    await ask({
      messages: [question, { role: 'assistant', content: final.content }, { role: 'user', content: [result] }],
    })
    const messages = messagesIn(world.asked[0])
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user'])
    expect(messages[3]).toMatchObject({ content: [thought, { id: 'toolu_2' }, { id, name: 'get_weather' }] })
    expect(messages[4]).toMatchObject({
      content: [
        { tool_use_id: 'toolu_2', content: 'counted to 1' },
        { tool_use_id: id, content: 'rain' },
      ],
    })
  })

  for (const id of ['', 'same']) {
    verifies(
      'messages:native-rounds',
      `has each call answered by its own result, whatever its id: "${id}"`,
      async () => {
        const uses = ['a', 'b'].map((word) => use('srv-echo', { message: word }, id))
        played(streamed, message(uses), message([text('ok')]))
        await ask({})
        const [first, second] = blocksIn(messagesIn(world.asked[1])[1])
        expect([first, second]).toMatchObject([{ input: { message: 'a' } }, { input: { message: 'b' } }])
        expect(new Set(['', first?.['id'], second?.['id']]).size).toBe(3)
        expect(blocksIn(messagesIn(world.asked[1])[2])).toMatchObject([
          { tool_use_id: first?.['id'], content: 'a' },
          { tool_use_id: second?.['id'], content: 'b' },
        ])
      },
    )
  }

  verifies('messages:native-rounds', 'answers in one document where it is asked for one', async () => {
    played(streamed, message([text('Let me see.'), echo]), message([text('{"a":1}')]))
    const format = { type: 'json_schema', schema: { type: 'object' } }
    expect((await ask({ output_config: { format } })).content).toEqual([text('{"a":1}')])
  })

  verifies('messages:native-rounds', 'answers at a bound with its tools declared and none to choose', async () => {
    played(streamed, message([echo]), message([text('That is all.')]))
    const final = await ask({ mcp_limits: { max_rounds: 1 } })
    expect(world.asked[1]).toMatchObject({ tool_choice: { type: 'none' } })
    expect(world.asked[1]?.['tools']).toEqual(world.asked[0]?.['tools'])
    expect(final).toMatchObject({ stop_reason: 'end_turn', content: [text('That is all.')] })
    const report = 'provider_specific_fields' in final ? final.provider_specific_fields : {}
    // The SDK keeps what it knows of a stream.
    expect(streamed || (isJsonObject(report) && report['mcp_limit_reached'])).toBeTruthy()
  })

  verifies('messages:native-rounds', 'is told of tools that failed as Anthropic tells it', async () => {
    played(streamed, message([use('srv-fail', {}, 'toolu_f')]), message([text('Too bad.')]))
    await ask({})
    expect(messagesIn(world.asked[1])[2]).toMatchObject({ content: [{ tool_use_id: 'toolu_f', is_error: true }] })
  })
})

describe('a stream of a Claude model with gateway tools', () => {
  verifies('messages:native-rounds', 'is one message, in the order in which it was said', async () => {
    played(true, message([text('One.'), echo, echo]), message([text('Two.')]))
    const { types } = await stream({})
    expect(types.filter((type) => type === 'message_start')).toHaveLength(1)
    expect(types.filter((type) => type === 'content_block_start')).toHaveLength(2)
    expect(types.slice(-2)).toEqual(['message_delta', 'message_stop'])
  })

  verifies('messages:native-rounds', 'tells what fails within it, and what breaks off', async () => {
    const error = `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'busy' } })}\n\n`
    const [start = '', ...rest] = messageEvents(message([text('Half of it.')]))
    world.play({ events: [start, rest[1] ?? '', error] })
    await expect(stream({})).rejects.toMatchObject({ message: expect.stringContaining('busy') })
    world.play({ events: [start, ...rest.slice(0, 3)], afterwards: 'cut' })
    await expect(stream({})).rejects.toBeInstanceOf(Error)
  })
})
