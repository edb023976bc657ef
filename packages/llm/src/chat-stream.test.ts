import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds, readChatEvents, readText, scriptedModel, textResult } from '@toolgate/testing/llm-loop'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { describe, expect, it } from 'vitest'
import { type LoopHooks, relayChatStream, streamToolLoop } from './chat-stream.ts'
import { chatDialect } from './dialects/chat.ts'
import { textOf } from './json-fields.ts'
import type { CallTool } from './tool-execution.ts'
import { runToolLoop } from './tool-loop.ts'
import { createTurnRecords } from './turn-records.ts'

const body = { model: 'm', messages: [], stream: true, stream_options: { include_usage: true } }
const weather = { type: 'function', function: { name: 'get_weather' } }
const echo = { publicName: 'echo', functionName: 'echo', approval: 'never' as const, definition: { inputSchema: {} } }
const renderError = ({ code, message }: GatewayError) => ({ error: { message, code } })

interface Setup {
  readonly generate?: (body: JsonObject) => Promise<JsonObject>
  readonly call?: CallTool
  readonly request?: JsonObject
}

function setup(answers: JsonObject[], { generate, call = async () => textResult('ran'), request = body }: Setup = {}) {
  const clock = fakeClock()
  const loop = (hooks: Partial<LoopHooks>) =>
    runToolLoop({
      body: { ...request, tools: [weather] },
      dialect: chatDialect,
      tools: [echo],
      generate: generate ?? scriptedModel(answers).generate,
      call,
      owner: 'alice',
      turnRecords: createTurnRecords(),
      signal: new AbortController().signal,
      newId: countingIds(),
      ...hooks,
    })
  const stream = () =>
    streamToolLoop({
      body: request,
      run: loop,
      signal: new AbortController().signal,
      renderError,
      clock,
      newId: countingIds(),
    })
  return { clock, loop, stream }
}

function assemble(events: readonly (JsonObject | '[DONE]')[]) {
  const chunks = events.filter(isJsonObject)
  const choices: JsonObject[] = chunks.flatMap((chunk) => JSON.parse(JSON.stringify(chunk['choices'])))
  const deltas: JsonObject[] = choices.map(({ delta }) => JSON.parse(JSON.stringify(delta)))
  const { content: _content, ...rest } = Object.assign({}, ...deltas)
  return {
    ids: new Set(chunks.map(({ id }) => id)),
    roles: deltas.filter(({ role }) => role !== undefined).length,
    content: deltas.map(({ content }) => textOf(content)).join(''),
    rest,
    finishes: choices.map(({ finish_reason: reason }) => reason).filter((reason) => reason !== null),
    usage: chunks.flatMap(({ usage }) => (usage === undefined ? [] : [usage])),
  }
}

const twoRounds = [
  completion({ content: 'Let me see.', tool_calls: [toolCall('echo', {})] }),
  completion({ content: 'Done.', reasoning_content: 'hm' }),
]
const mixed = [
  completion({ tool_calls: [toolCall('echo', {})] }),
  completion({ content: 'Yours.', tool_calls: [toolCall('echo', {}, 'e'), toolCall('get_weather', {}, 'w')] }),
]
const json = { ...body, response_format: { type: 'json_object' } }

describe('a streamed tool loop', () => {
  it.each<[string, JsonObject[], JsonObject]>([
    ['an answer without tools', [completion({ content: 'Hi.' })], body],
    ['two rounds', twoRounds, body],
    ['calls handed to the client', mixed, body],
    ['one JSON document', twoRounds, json],
  ])('of %s is a valid stream of what the loop answers whole', async (_, answers, request) => {
    const whole = await setup(answers, { request }).loop({})
    const message: JsonObject = JSON.parse(JSON.stringify(whole.response))['choices'][0]['message']
    const events = await readChatEvents(await setup(answers, { request }).stream())
    expect(events.pop()).toBe('[DONE]')
    const streamed = assemble(events)
    expect(streamed).toMatchObject({ roles: 1, content: message['content'] ?? '', finishes: [expect.any(String)] })
    expect(whole.response).toMatchObject({ choices: [{ finish_reason: streamed.finishes[0] }] })
    expect(streamed.ids.size).toBe(1)
    expect(streamed.usage).toEqual([whole.response['usage']])
    const { content: _text, ...fields } = message
    expect(streamed.rest).toMatchObject(fields)
    expect(Object.keys(streamed.rest).toSorted()).toEqual(Object.keys(fields).toSorted())
  })

  it('sends no usage that nobody asked for', async () => {
    const { stream } = setup(twoRounds, { request: { model: 'm', messages: [], stream: true } })
    expect(assemble(await readChatEvents(await stream())).usage).toEqual([])
  })

  it('sends a round’s text before its tools have run, and signs of life while they do', async () => {
    const running = Promise.withResolvers<JsonObject>()
    const { clock, stream } = setup(twoRounds, { call: () => running.promise })
    const reader = (await stream())[Symbol.asyncIterator]()
    const next = async () => Buffer.from((await reader.next()).value ?? []).toString()
    expect(await next()).toContain('"role":"assistant"')
    expect(await next()).toContain('"content":"Let me see."')
    const alive = next()
    await expect.poll(() => clock.pending).toBe(1)
    clock.advance(15_000)
    expect(await alive).toBe(': keep-alive\n\n')
    running.resolve(textResult('ran'))
    expect(await next()).toContain('Done.')
  })

  it('that cannot begin is an error of the request', async () => {
    const generate = async () => {
      throw new GatewayError('PROVIDER_ERROR', 'no')
    }
    await expect(setup([], { generate }).stream()).rejects.toMatchObject({ code: 'PROVIDER_ERROR' })
  })

  it('that fails later ends in one error event', async () => {
    const model = scriptedModel(twoRounds)
    const generate = async (asked: JsonObject) => {
      if (model.asked.length > 0) throw new GatewayError('PROVIDER_TIMEOUT', 'late')
      return model.generate(asked)
    }
    const events = await readChatEvents(await setup([], { generate }).stream())
    expect(events.at(-1)).toEqual({ error: { message: 'late', code: 'PROVIDER_TIMEOUT' } })
    expect(assemble(events.slice(0, -1)).finishes).toEqual([])
  })

  it('that its reader leaves stops the tools', async () => {
    const stopped = Promise.withResolvers<string>()
    const { stream } = setup(twoRounds, {
      call: (_tool, _input, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            stopped.resolve('stopped')
            reject(new GatewayError('CANCELLED', 'gone'))
          })
        }),
    })
    for await (const _ of await stream()) break
    expect(await stopped.promise).toBe('stopped')
  })
})

describe('a relayed stream', () => {
  async function* breaking() {
    yield Buffer.from('data: {"odd":  1}\r\n\r\n')
    throw new GatewayError('PROVIDER_UNREACHABLE', 'gone')
  }

  it('is what the provider sent, and a failure is its last event', async () => {
    expect(await readText(relayChatStream(breaking(), renderError))).toBe(
      'data: {"odd":  1}\r\n\r\ndata: {"error":{"message":"gone","code":"PROVIDER_UNREACHABLE"}}\n\n',
    )
  })
})
