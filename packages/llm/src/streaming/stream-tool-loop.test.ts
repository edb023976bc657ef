import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import {
  countingIds,
  readChatEvents,
  readText,
  scriptedModel,
  streamingModel,
  textResult,
  unusedApprovals,
} from '@toolgate/testing/llm-loop'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { array, assert, asyncProperty, boolean, constantFrom, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chatDialect } from '../dialects/chat.ts'
import { openChatClientStream } from '../dialects/chat-client-stream.ts'
import { listOf, textOf } from '../json-fields.ts'
import { toEvent } from '../providers/chat-events.ts'
import type { CallTool } from '../tool-execution.ts'
import { runToolLoop, type ToolLoopOptions } from '../tool-loop.ts'
import { createTurnRecords } from '../records/turn-records.ts'
import { relayStream, streamToolLoop } from './stream-tool-loop.ts'

const body = { model: 'm', messages: [], stream: true, stream_options: { include_usage: true } }
const weather = { type: 'function', function: { name: 'get_weather' } }
const echo = { publicName: 'echo', functionName: 'echo', approval: 'never' as const, definition: { inputSchema: {} } }
const renderError = ({ code, message }: GatewayError) => ({ error: { message, code } })

type Stream = (body: JsonObject) => Promise<AsyncIterable<Uint8Array>>

interface Setup {
  /** In place of the script. */
  readonly model?: Stream
  readonly call?: CallTool
  readonly request?: JsonObject
}

function setup(answers: JsonObject[], { model, call = async () => textResult('ran'), request = body }: Setup = {}) {
  const clock = fakeClock()
  const options = {
    body: { ...request, tools: [weather] },
    dialect: chatDialect,
    tools: [echo],
    call,
    owner: 'alice',
    turnRecords: createTurnRecords(),
    approvals: unusedApprovals,
    admit: async () => {},
    newId: countingIds(),
  } satisfies Partial<ToolLoopOptions>
  const whole = () =>
    runToolLoop({
      ...options,
      generate: scriptedModel(answers).generate,
      signal: new AbortController().signal,
    })
  const stream = () => {
    const asked = model ?? streamingModel(answers).stream
    return streamToolLoop({
      open: (send) => openChatClientStream({ body: request, send, renderError, clock, newId: countingIds() }),
      run: ({ signal, client }) =>
        runToolLoop({
          ...options,
          signal,
          listener: client,
          generate: async (sent, context) => client.readRound(await asked(sent), context),
        }),
      signal: new AbortController().signal,
    })
  }
  return { whole, stream }
}

/** What the stream of an answer says, put together without any code of the gateway. */
function assemble(events: readonly (JsonObject | '[DONE]')[]) {
  const chunks = events.filter(isJsonObject)
  const choices = chunks.flatMap((chunk) => listOf(chunk['choices'])).filter(isJsonObject)
  const deltas = choices.map(({ delta }) => delta).filter(isJsonObject)
  const joined = (field: string) => deltas.map((delta) => textOf(delta[field])).join('')
  const calls: { id: string; name: string; input: string }[] = []
  const indices: number[] = []
  for (const piece of deltas.flatMap((delta) => listOf(delta['tool_calls'])).filter(isJsonObject)) {
    const { index, id, function: called } = piece
    const known = typeof index === 'number' ? index : -1
    indices.push(known)
    const call = (calls[known] ??= { id: textOf(id), name: '', input: '' })
    call.name += isJsonObject(called) ? textOf(called['name']) : ''
    call.input += isJsonObject(called) ? textOf(called['arguments']) : ''
  }
  return {
    ids: new Set(chunks.map(({ id }) => id)),
    roles: deltas.filter(({ role }) => role !== undefined).length,
    content: joined('content'),
    reasoning: joined('reasoning_content'),
    calls,
    indices,
    reports: deltas.flatMap(({ provider_specific_fields: fields }) => (fields === undefined ? [] : [fields])),
    finishes: choices.map(({ finish_reason: reason }) => reason).filter((reason) => reason !== null),
    usage: chunks.flatMap(({ usage }) => (usage === undefined ? [] : [usage])),
  }
}

const said = (response: JsonObject): JsonObject => JSON.parse(JSON.stringify(response))['choices'][0]['message']

const twoRounds = [
  completion({ content: 'Let me see.', tool_calls: [toolCall('echo', {})] }),
  completion({ content: 'Done.', reasoning_content: 'hm' }),
]
const mixed = [
  completion({ tool_calls: [toolCall('echo', {})] }),
  completion({ content: 'Yours.', tool_calls: [toolCall('echo', {}, 'e'), toolCall('get_weather', {}, 'w')] }),
]
const json = { ...body, response_format: { type: 'json_object' } }

/** A valid stream that says what the whole answer does; ids of calls are each answer's own. */
function expectSame(events: (JsonObject | '[DONE]')[], response: JsonObject): void {
  const message = said(response)
  const streamed = assemble(events)
  const report = isJsonObject(message['provider_specific_fields']) ? [message['provider_specific_fields']] : []
  expect(streamed.reports).toEqual(report)
  expect(streamed).toMatchObject({
    roles: 1,
    content: message['content'] ?? '',
    reasoning: message['reasoning_content'] ?? '',
    finishes: [expect.any(String)],
    usage: [response['usage']],
  })
  expect(response).toMatchObject({ choices: [{ finish_reason: streamed.finishes[0] }] })
  expect(streamed.ids.size).toBe(1)
  expect(streamed.indices).toEqual(streamed.indices.toSorted((left, right) => left - right))
  const handed = listOf(message['tool_calls']).flatMap((call) => {
    const called = isJsonObject(call) && isJsonObject(call['function']) ? call['function'] : {}
    return [{ name: called['name'], input: called['arguments'] }]
  })
  expect(streamed.calls.map(({ name, input }) => ({ name, input }))).toEqual(handed)
  expect(new Set(streamed.calls.map(({ id }) => id)).size).toBe(handed.length)
}

describe('a streamed tool loop', () => {
  it.each<[string, JsonObject[], JsonObject]>([
    ['an answer without tools', [completion({ content: 'Hi.' })], body],
    ['two rounds', twoRounds, body],
    ['calls handed to the client', mixed, body],
    ['one JSON document', twoRounds, json],
    ['calls beside one JSON document', mixed, json],
  ])('of %s is a valid stream of what the loop answers whole', async (_, answers, request) => {
    const whole = await setup(answers, { request }).whole()
    const events = await readChatEvents(await setup(answers, { request }).stream())
    expect(events.pop()).toBe('[DONE]')
    expectSame(events, whole.response)
  })

  const text = constantFrom('', 'Wörter 🙂 zuerst.', 'a', 'line\nline')
  const call = constantFrom('echo', 'echo', 'get_weather', 'unknown')
  const turn = record({
    text,
    reasoning: text,
    calls: array(call, { maxLength: 3 }),
    reason: constantFrom('stop', 'tool_calls', 'length'),
  })
  const script = array(turn, { minLength: 1, maxLength: 4 })
  const toCompletion = ({
    text: content,
    reasoning,
    calls,
    reason,
  }: {
    text: string
    reasoning: string
    calls: string[]
    reason: string
  }) => {
    const { choices, ...head } = completion({
      content: content === '' ? null : content,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls: calls.map((name, index) => toolCall(name, { index }, `model_${index}`)) }),
    })
    return {
      ...head,
      choices: listOf(choices).map((choice) => ({ ...(isJsonObject(choice) && choice), finish_reason: reason })),
    }
  }

  it('says what the whole answer says and runs each tool once, whatever model and tools do', async () => {
    await assert(
      asyncProperty(
        script,
        array(constantFrom('ok', 'error', 'throws'), { maxLength: 6 }),
        boolean(),
        async (turns, outcomes, asJson) => {
          const answers = [...turns.map(toCompletion), completion({ content: 'The end.' })]
          const ran: string[][] = []
          const toolsOf = () => {
            const inputs: string[] = []
            ran.push(inputs)
            return async (_: unknown, input: JsonObject) => {
              inputs.push(JSON.stringify(input))
              const outcome = outcomes[inputs.length - 1]
              if (outcome === 'throws') throw new GatewayError('UPSTREAM_TIMEOUT', 'late')
              return textResult('ran', outcome === 'error')
            }
          }
          const request = asJson ? json : body
          const { response } = await setup(answers, { request, call: toolsOf() }).whole()
          const events = await readChatEvents(await setup(answers, { request, call: toolsOf() }).stream())
          expect(events.pop()).toBe('[DONE]')
          expectSame(events, response)
          expect(ran[1]).toEqual(ran[0])
        },
      ),
      { numRuns: 100 },
    )
  })

  it('sends no usage that nobody asked for', async () => {
    const { stream } = setup(twoRounds, { request: { model: 'm', messages: [], stream: true } })
    expect(assemble(await readChatEvents(await stream())).usage).toEqual([])
  })

  it('sends each piece of text as it comes, also before tools run', async () => {
    const running = Promise.withResolvers<JsonObject>()
    const { stream } = setup(twoRounds, { call: () => running.promise })
    const reader = (await stream())[Symbol.asyncIterator]()
    const next = async () => Buffer.from((await reader.next()).value ?? []).toString()
    expect(await next()).toContain('"role":"assistant"')
    expect(await next()).toContain('"content":"Let me "')
    expect(await next()).toContain('"content":"see."')
    running.resolve(textResult('ran'))
    expect(await next()).toContain('"reasoning_content":"hm"')
    expect(await next()).toContain('"content":"\\n\\nDone."')
  })

  it('that cannot begin is an error of the request', async () => {
    const model = async () => {
      throw new GatewayError('PROVIDER_ERROR', 'no')
    }
    await expect(setup([], { model }).stream()).rejects.toMatchObject({ code: 'PROVIDER_ERROR' })
  })

  it('that fails later ends in one error event', async () => {
    const { stream: first } = streamingModel(twoRounds)
    let rounds = 0
    const model = async (asked: JsonObject) => {
      rounds += 1
      if (rounds > 1) throw new GatewayError('PROVIDER_TIMEOUT', 'late')
      return first(asked)
    }
    const events = await readChatEvents(await setup([], { model }).stream())
    expect(events.at(-1)).toEqual({ error: { message: 'late', code: 'PROVIDER_TIMEOUT' } })
    expect(assemble(events.slice(0, -1)).finishes).toEqual([])
  })

  it('that its reader leaves stops the tools', async () => {
    const started = Promise.withResolvers<void>()
    const stopped = Promise.withResolvers<string>()
    const { stream } = setup(twoRounds, {
      call: (_tool, _input, { signal }) =>
        new Promise((_, reject) => {
          started.resolve()
          signal.addEventListener('abort', () => {
            stopped.resolve('stopped')
            reject(new GatewayError('CANCELLED', 'gone'))
          })
        }),
    })
    for await (const _ of await stream()) {
      await started.promise
      break
    }
    expect(await stopped.promise).toBe('stopped')
  })
})

describe('a relayed stream', () => {
  async function* breaking() {
    yield Buffer.from('data: {"odd":  1}\r\n\r\n')
    throw new GatewayError('PROVIDER_UNREACHABLE', 'gone')
  }

  it('is what the provider sent, and a failure is its last event', async () => {
    expect(await readText(relayStream(breaking(), (error) => toEvent(renderError(error))))).toBe(
      'data: {"odd":  1}\r\n\r\ndata: {"error":{"message":"gone","code":"PROVIDER_UNREACHABLE"}}\n\n',
    )
  })
})
