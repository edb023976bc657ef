import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isJsonObject, type JsonObject } from '@toolgate/core'

/**
 * A loopback LLM provider that answers from a script, one entry per request, and keeps what it was asked. It speaks
 * whatever the script holds: OpenAI's chat completions with {@link completion}, Anthropic's Messages with {@link message}.
 */
export interface LlmServer extends AsyncDisposable {
  /** Without path: `http://127.0.0.1:…`. */
  readonly origin: string
  readonly requests: readonly RecordedRequest[]
  /** Resolves when the nth request (from 1) has arrived. */
  arrived(count: number): Promise<void>
  /** The next request, as soon as it has arrived: `closed` resolves when its connection is over, answered or given up. */
  next(): Promise<{ readonly closed: Promise<void> }>
  /** Requests whose connection the client closed before the answer was complete. */
  readonly abandoned: number
}

export interface RecordedRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: JsonObject
}

export type ScriptedAnswer =
  | { readonly json: JsonObject; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly text: string; readonly status?: number }
  /** Server-sent events, byte for byte; after them the stream ends, is cut, or stays open. */
  | { readonly events: readonly string[]; readonly afterwards?: 'end' | 'cut' | 'stay' }
  /** Server-sent events as pieces that each go out by themselves. */
  | { readonly pieces: readonly Uint8Array[] }
  /** Whatever the bytes are. */
  | { readonly bytes: Uint8Array; readonly contentType: string }
  /** Never answers. */
  | { readonly hang: true }

/** The script may look at the request; past its end the last entry answers again. */
export type Script = readonly (ScriptedAnswer | ((request: RecordedRequest) => ScriptedAnswer))[]

export async function startLlmServer(script: Script): Promise<LlmServer> {
  const requests: RecordedRequest[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let next = Promise.withResolvers<{ closed: Promise<void> }>()
  let abandoned = 0

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const request = await record(incoming)
    const scripted = script[Math.min(requests.length, script.length - 1)]
    requests.push(request)
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve()
    const closed = new Promise<void>((resolve) => outgoing.on('close', resolve))
    next.resolve({ closed })
    next = Promise.withResolvers()
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) abandoned += 1
    })
    answer(outgoing, typeof scripted === 'function' ? scripted(request) : scripted)
  }
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : undefined))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    origin: `http://127.0.0.1:${address.port}`,
    requests,
    next: () => next.promise,
    get abandoned() {
      return abandoned
    },
    arrived(count) {
      if (requests.length >= count) return Promise.resolve()
      return new Promise((resolve) => waiting.push({ count, resolve }))
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function record(incoming: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Uint8Array[] = []
  for await (const chunk of incoming) if (chunk instanceof Uint8Array) chunks.push(chunk)
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}')
  return { path: incoming.url ?? '/', headers: incoming.headers, body: isJsonObject(body) ? body : {} }
}

function answer(outgoing: ServerResponse, scripted: ScriptedAnswer | undefined): void {
  if (scripted === undefined) throw new Error('the script is empty')
  if ('hang' in scripted) return
  if ('json' in scripted) {
    outgoing.writeHead(scripted.status ?? 200, { ...scripted.headers, 'content-type': 'application/json' })
    outgoing.end(JSON.stringify(scripted.json))
    return
  }
  if ('text' in scripted) {
    outgoing.writeHead(scripted.status ?? 200, { 'content-type': 'text/plain' })
    outgoing.end(scripted.text)
    return
  }
  if ('bytes' in scripted) {
    outgoing.writeHead(200, { 'content-type': scripted.contentType })
    outgoing.end(scripted.bytes)
    return
  }
  outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
  if ('pieces' in scripted) {
    writeApart(outgoing, scripted.pieces)
    return
  }
  const bytes = scripted.events.join('')
  const { afterwards = 'end' } = scripted
  if (afterwards === 'end') outgoing.end(bytes)
  else outgoing.write(bytes, () => afterwards === 'cut' && outgoing.destroy())
}

/** Each in a turn of its own, so that none is joined to the next. */
function writeApart(outgoing: ServerResponse, [piece, ...rest]: readonly Uint8Array[]): void {
  if (piece === undefined) outgoing.end()
  else outgoing.write(piece, () => setImmediate(() => writeApart(outgoing, rest)))
}

/** A chat completion around an assistant message; every part of it may be overridden with something odd. */
export function completion(message: JsonObject, overrides: JsonObject = {}): JsonObject {
  const calls = 'tool_calls' in message
  return {
    id: 'chatcmpl-fake',
    object: 'chat.completion',
    created: 1_767_225_600,
    model: 'fake-model',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: null, ...message },
        finish_reason: calls ? 'tool_calls' : 'stop',
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    ...overrides,
  }
}

/** One tool call as OpenAI writes it. */
export function toolCall(name: string, input: JsonObject, id = `call_${name}`): JsonObject {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input) } }
}

/** An Anthropic message around content blocks. */
export function message(content: JsonObject[], overrides: JsonObject = {}): JsonObject {
  const calls = content.some(({ type }) => type === 'tool_use')
  return {
    id: 'msg_fake',
    type: 'message',
    role: 'assistant',
    model: 'claude-3-haiku-20240307',
    content,
    stop_reason: calls ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 20, output_tokens: 7 },
    ...overrides,
  }
}

/** Anthropic's stream of a message whose only block is text, sent in pieces. */
export function textMessageEvents(pieces: readonly string[]): string[] {
  return messageEvents(message([{ type: 'text', text: '' }]), () =>
    pieces.map((text) => ({ type: 'text_delta', text })),
  )
}

/** A message as the stream that would have said it. */
export function messageEvents(
  { content, stop_reason: reason, usage, ...head }: JsonObject,
  deltasOf: (block: JsonObject) => JsonObject[] = blockDeltas,
): string[] {
  const blocks = Array.isArray(content) ? content.filter(isJsonObject) : []
  return [
    anthropicEvent({
      type: 'message_start',
      message: { ...head, content: [], stop_reason: null, ...(usage && { usage }) },
    }),
    anthropicEvent({ type: 'ping' }),
    ...blocks.flatMap((block, index) => [
      anthropicEvent({ type: 'content_block_start', index, content_block: beginning(block) }),
      ...deltasOf(block).map((delta) => anthropicEvent({ type: 'content_block_delta', index, delta })),
      anthropicEvent({ type: 'content_block_stop', index }),
    ]),
    anthropicEvent({
      type: 'message_delta',
      delta: { stop_reason: reason ?? 'end_turn', stop_sequence: null },
      usage: { output_tokens: isJsonObject(usage) ? (usage['output_tokens'] ?? 0) : 0 },
    }),
    anthropicEvent({ type: 'message_stop' }),
  ]
}

function beginning(block: JsonObject): JsonObject {
  if (block['type'] === 'text') return { ...block, text: '' }
  if (block['type'] === 'thinking') return { ...block, thinking: '', signature: '' }
  return block['type'] === 'tool_use' ? { ...block, input: {} } : block
}

function blockDeltas({ type, text, thinking, signature, input }: JsonObject): JsonObject[] {
  if (type === 'text') return pieces(text).map((piece) => ({ type: 'text_delta', text: piece }))
  if (type === 'tool_use') {
    return pieces(JSON.stringify(input)).map((piece) => ({ type: 'input_json_delta', partial_json: piece }))
  }
  if (type !== 'thinking') return []
  return [
    ...pieces(thinking).map((piece) => ({ type: 'thinking_delta', thinking: piece })),
    ...(signature === undefined ? [] : [{ type: 'signature_delta', signature }]),
  ]
}

function anthropicEvent(event: JsonObject & { type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** A chat completion as the stream that would have said it: text and arguments in pieces, then the finish and the usage. */
export function completionEvents(answer: JsonObject): string[] {
  const { choices, usage, ...head } = answer
  const [choice] = Array.isArray(choices) ? choices.filter(isJsonObject) : []
  const { message, finish_reason: reason, ...ofChoice } = choice ?? {}
  const { content, tool_calls: calls, ...said } = isJsonObject(message) ? message : {}
  const chunk = (delta: JsonObject, rest: JsonObject = {}): string =>
    chatEvent({
      ...head,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, ...ofChoice, delta, finish_reason: null, ...rest }],
    })
  return [
    chunk({ role: 'assistant', content: '' }),
    ...(Object.keys(said).length > 1 ? [chunk(said)] : []),
    ...pieces(content).map((piece) => chunk({ content: piece })),
    ...(Array.isArray(calls)
      ? calls
          .filter(isJsonObject)
          .flatMap(callDeltas)
          .map((delta) => chunk({ tool_calls: [delta] }))
      : []),
    chunk({}, { finish_reason: reason ?? 'stop' }),
    ...(usage === undefined ? [] : [chatEvent({ ...head, object: 'chat.completion.chunk', choices: [], usage })]),
    'data: [DONE]\n\n',
  ]
}

/** Name first, arguments behind it in pieces. */
function callDeltas(call: JsonObject, index: number): JsonObject[] {
  const { function: called, ...rest } = call
  if (!isJsonObject(called)) return [{ index, ...call }]
  const { arguments: input, ...named } = called
  return [
    { index, ...rest, function: { ...named, arguments: '' } },
    ...pieces(input).map((piece) => ({ index, function: { arguments: piece } })),
  ]
}

function pieces(text: unknown): string[] {
  return typeof text === 'string' ? (text.match(/[^]{1,7}/g) ?? []) : []
}

function chatEvent(chunk: JsonObject): string {
  return `data: ${JSON.stringify(chunk)}\n\n`
}
