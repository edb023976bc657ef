import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { expect } from 'vitest'

/**
 * Every LLM door, asked alike: a question with tools as its dialect writes it, and what its answers say in no dialect's words. Streams
 * are put together here without any code of the gateway, and one that breaks the grammar of its dialect fails.
 */
export interface LlmDoor {
  readonly name: string
  readonly model: string
  path(streamed: boolean): string
  /** Fields of a request beside the model. */
  body(question: Question): JsonObject
  readWhole(answer: JsonObject): Answered
  readStream(text: string): Answered
}

export interface Question {
  readonly streamed: boolean
  /** MCP entries. */
  readonly entries: readonly JsonObject[]
  /** Names of the client's own functions, without parameters. */
  readonly functions: readonly string[]
}

export interface Answered {
  readonly text: string
  readonly thought: string
  /** What the client has to answer: its own functions, and calls to approve. */
  readonly handed: readonly Handed[]
  /** MCP items of the dialects that have them. */
  readonly items: readonly JsonValue[]
  readonly finish: JsonValue
  readonly usage: JsonValue
  readonly report: JsonValue
}

export interface Handed {
  readonly name: string
  readonly input: JsonValue
}

const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : [])
const objectIn = (value: unknown): JsonObject => (isJsonObject(value) ? value : {})
const words = (value: unknown): string => (typeof value === 'string' ? value : '')
const wordsOf = (list: readonly JsonObject[], field: string): string => list.map((one) => words(one[field])).join('')
const schema = { type: 'object', properties: {} }

/** The events of a stream in order, each with its name where it has one; comments are left out. */
export function eventsIn(text: string): { readonly name: string | undefined; readonly data: string }[] {
  const lines = text.replaceAll('\r\n', '\n')
  expect(lines.endsWith('\n\n')).toBe(true)
  return lines
    .split('\n\n')
    .filter((event) => event !== '' && !event.startsWith(':'))
    .map((event) => {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(event)?.[1]
      return { name: field('event'), data: field('data') ?? '' }
    })
}

const parsed = (text: string): JsonObject[] => eventsIn(text).map(({ data }) => JSON.parse(data))

function chatAnswer({ choices, usage }: JsonObject): Answered {
  const [{ message, finish_reason: finish } = {}] = objects(choices)
  const said = objectIn(message)
  return {
    text: words(said['content']),
    thought: words(said['reasoning_content']),
    handed: objects(said['tool_calls']).map(({ function: called }) => {
      const { name, arguments: input } = objectIn(called)
      return { name: words(name), input: JSON.parse(words(input)) }
    }),
    items: [],
    finish: finish ?? null,
    usage: usage ?? null,
    report: said['provider_specific_fields'] ?? null,
  }
}

function chatStream(text: string): Answered {
  const events = eventsIn(text)
  expect(events.pop()?.data).toBe('[DONE]')
  const chunks: JsonObject[] = events.map(({ data }) => JSON.parse(data))
  const choices = chunks.flatMap((chunk) => objects(chunk['choices']))
  const deltas = choices.map(({ delta }) => objectIn(delta))
  const finishes = choices.map(({ finish_reason: reason }) => reason ?? null).filter((reason) => reason !== null)
  expect(new Set(chunks.map(({ id, created }) => JSON.stringify([id, created]))).size).toBe(1)
  expect(deltas.filter(({ role }) => role !== undefined)).toHaveLength(1)
  expect(finishes).toHaveLength(1)
  expect(choices.at(-1)).toMatchObject({ finish_reason: finishes[0] })
  const usages = chunks.flatMap(({ usage }) => (isJsonObject(usage) ? [usage] : []))
  expect(usages).toHaveLength(1)

  const calls: { id: string; name: string; input: string }[] = []
  for (const { index, id, function: piece } of deltas.flatMap((delta) => objects(delta['tool_calls']))) {
    const { name, arguments: input } = objectIn(piece)
    const at = typeof index === 'number' ? index : -1
    expect(at === calls.length - 1 || at === calls.length).toBe(true)
    const call = (calls[at] ??= { id: words(id), name: '', input: '' })
    call.name += words(name)
    call.input += words(input)
  }
  expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
  return {
    text: wordsOf(deltas, 'content'),
    thought: wordsOf(deltas, 'reasoning_content'),
    handed: calls.map(({ name, input }) => ({ name, input: JSON.parse(input) })),
    items: [],
    finish: finishes[0] ?? null,
    usage: usages[0] ?? null,
    report: deltas.find((delta) => 'provider_specific_fields' in delta)?.['provider_specific_fields'] ?? null,
  }
}

function responsesAnswer({ output, usage, status, metadata }: JsonObject): Answered {
  const items = objects(output)
  const of = (type: string) => items.filter((item) => item['type'] === type)
  const content = (type: string, field: string) => of(type).flatMap((item) => objects(item[field]))
  return {
    text: wordsOf(content('message', 'content'), 'text'),
    thought: wordsOf([...content('reasoning', 'summary'), ...content('reasoning', 'content')], 'text'),
    handed: [...of('function_call'), ...of('mcp_approval_request')].map(({ name, arguments: input }) => ({
      name: words(name),
      input: JSON.parse(words(input)),
    })),
    items: items.map(({ type, id: _id, call_id: _callId, approval_request_id: _request, ...item }) =>
      words(type).startsWith('mcp_') ? { type: type ?? null, ...item } : (type ?? null),
    ),
    finish: status ?? null,
    usage: usage ?? null,
    report: metadata ?? null,
  }
}

function responsesStream(text: string): Answered {
  const events = eventsIn(text).map(({ name, data }) => {
    const event: JsonObject = JSON.parse(data)
    expect(event['type']).toBe(name)
    return event
  })
  expect(events.map((event) => event['sequence_number'])).toEqual(Array.from(events.keys()))
  expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['response.created', 'response.in_progress'])
  const last = events.at(-1) ?? {}
  const isEnd = ({ type }: JsonObject) => /^response\.(?:completed|incomplete|failed)$/.test(words(type))
  expect(events.filter(isEnd)).toEqual([last])
  const response = objectIn(last['response'])
  expect(objectIn(events[0]?.['response'])['id']).toBe(response['id'])

  const done: JsonObject[] = []
  let added = 0
  const open = new Set<unknown>()
  for (const { type, output_index: index, item } of events) {
    if (type === 'response.output_item.added') {
      expect(index).toBe(added)
      added += 1
      open.add(index)
    } else if (index !== undefined) expect(open).toContain(index)
    if (type !== 'response.output_item.done') continue
    open.delete(index)
    done[Number(index)] = objectIn(item)
  }
  expect(open.size).toBe(0)
  expect(done).toEqual(response['output'])
  const spoken = events.filter(({ type }) => type === 'response.output_text.delta')
  const answered = responsesAnswer(response)
  expect(wordsOf(spoken, 'delta')).toBe(answered.text)
  return answered
}

function messagesAnswer({
  content,
  stop_reason: finish,
  usage,
  provider_specific_fields: report,
}: JsonObject): Answered {
  const blocks = objects(content)
  return {
    text: wordsOf(blocks, 'text'),
    thought: wordsOf(blocks, 'thinking'),
    handed: blocks
      .filter(({ type }) => type === 'tool_use')
      .map(({ name, input }) => ({ name: words(name), input: input ?? null })),
    items: [],
    finish: finish ?? null,
    usage: usage ?? null,
    report: report ?? null,
  }
}

function messagesStream(text: string): Answered {
  const events = eventsIn(text).map(({ name, data }) => {
    const event: JsonObject = JSON.parse(data)
    expect(event['type']).toBe(name)
    return event
  })
  const types = events.map(({ type }) => words(type)).filter((type) => type !== 'ping')
  expect(types.join(' ')).toMatch(
    /^message_start(?: content_block_start(?: content_block_delta)* content_block_stop)* message_delta message_stop$/,
  )
  const blocks: JsonObject[] = []
  let input = ''
  for (const { type, index, content_block: begun, delta } of events) {
    if (!words(type).startsWith('content_block_')) continue
    if (type === 'content_block_start') blocks.push(objectIn(begun))
    expect(index).toBe(blocks.length - 1)
    const block = blocks.at(-1) ?? {}
    const { text: said, thinking, partial_json: piece } = objectIn(delta)
    if (said !== undefined) block['text'] = `${words(block['text'])}${words(said)}`
    if (thinking !== undefined) block['thinking'] = `${words(block['thinking'])}${words(thinking)}`
    input = type === 'content_block_start' ? '' : input + words(piece)
    if (type === 'content_block_stop' && input !== '') block['input'] = JSON.parse(input)
  }
  const [start, end] = [events[0], events.find(({ type }) => type === 'message_delta') ?? {}]
  const { stop_reason: reason } = objectIn(end['delta'])
  return messagesAnswer({
    ...objectIn(start?.['message']),
    ...end,
    content: blocks,
    stop_reason: reason ?? null,
  })
}

function geminiAnswer(pieces: readonly JsonObject[]): Answered {
  const candidates = pieces.flatMap(({ candidates: list }) => objects(list))
  const parts = candidates.flatMap(({ content }) => objects(objectIn(content)['parts']))
  const finishes = candidates.flatMap(({ finishReason: reason }) => (reason === undefined ? [] : [reason]))
  expect(finishes).toHaveLength(1)
  const last = pieces.at(-1) ?? {}
  expect(objects(last['candidates'])[0]).toHaveProperty('finishReason')
  expect(new Set(pieces.map(({ responseId: id }) => id)).size).toBe(1)
  return {
    text: wordsOf(
      parts.filter(({ thought }) => thought !== true),
      'text',
    ),
    thought: wordsOf(
      parts.filter(({ thought }) => thought === true),
      'text',
    ),
    handed: parts.flatMap(({ functionCall: call }) =>
      isJsonObject(call) ? [{ name: words(call['name']), input: call['args'] ?? null }] : [],
    ),
    items: [],
    finish: finishes[0] ?? null,
    usage: last['usageMetadata'] ?? null,
    report: last['provider_specific_fields'] ?? null,
  }
}

const chat: LlmDoor = {
  name: 'chat completions',
  model: 'gpt',
  path: () => '/v1/chat/completions',
  body: ({ streamed, entries, functions }) => ({
    messages: [{ role: 'user', content: 'go' }],
    tools: [...functions.map((name) => ({ type: 'function', function: { name, parameters: schema } })), ...entries],
    ...(streamed && { stream: true, stream_options: { include_usage: true } }),
  }),
  readWhole: chatAnswer,
  readStream: chatStream,
}

const responses: LlmDoor = {
  name: 'responses',
  model: 'gpt',
  path: () => '/v1/responses',
  body: ({ streamed, entries, functions }) => ({
    input: 'go',
    tools: [...functions.map((name) => ({ type: 'function', name, parameters: schema })), ...entries],
    ...(streamed && { stream: true }),
  }),
  readWhole: responsesAnswer,
  readStream: responsesStream,
}

const messages: LlmDoor = {
  name: 'messages',
  model: 'gpt',
  path: () => '/v1/messages',
  body: ({ streamed, entries, functions }) => ({
    max_tokens: 100,
    messages: [{ role: 'user', content: 'go' }],
    tools: [...functions.map((name) => ({ name, input_schema: schema })), ...entries],
    ...(streamed && { stream: true }),
  }),
  readWhole: messagesAnswer,
  readStream: messagesStream,
}

const gemini = (model: string): LlmDoor => ({
  name: 'gemini',
  model,
  path: (streamed) =>
    streamed ? `/v1beta/models/${model}:streamGenerateContent?alt=sse` : `/v1beta/models/${model}:generateContent`,
  body: ({ entries, functions }) => ({
    contents: [{ role: 'user', parts: [{ text: 'go' }] }],
    generationConfig: { thinkingConfig: { includeThoughts: true } },
    tools: [{ functionDeclarations: functions.map((name) => ({ name })) }, ...entries],
  }),
  readWhole: (answer) => geminiAnswer([answer]),
  readStream: (text) => geminiAnswer(parsed(text)),
})

export const llmDoors: readonly LlmDoor[] = [
  chat,
  responses,
  { ...responses, name: 'responses on OpenAI', model: 'openai' },
  messages,
  { ...messages, name: 'messages on Claude', model: 'claude' },
  gemini('gpt'),
  { ...gemini('gemini'), name: 'gemini on Gemini' },
]
