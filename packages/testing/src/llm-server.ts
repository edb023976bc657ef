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
  /** Never answers. */
  | { readonly hang: true }

/** The script may look at the request; past its end the last entry answers again. */
export type Script = readonly (ScriptedAnswer | ((request: RecordedRequest) => ScriptedAnswer))[]

export async function startLlmServer(script: Script): Promise<LlmServer> {
  const requests: RecordedRequest[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let abandoned = 0

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const request = await record(incoming)
    const scripted = script[Math.min(requests.length, script.length - 1)]
    requests.push(request)
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve()
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
  outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
  const bytes = scripted.events.join('')
  const { afterwards = 'end' } = scripted
  if (afterwards === 'end') outgoing.end(bytes)
  else outgoing.write(bytes, () => afterwards === 'cut' && outgoing.destroy())
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
  return [
    anthropicEvent({ type: 'message_start', message: { ...message([]), stop_reason: null } }),
    anthropicEvent({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...pieces.map((text) =>
      anthropicEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    ),
    anthropicEvent({ type: 'content_block_stop', index: 0 }),
    anthropicEvent({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 7 },
    }),
    anthropicEvent({ type: 'message_stop' }),
  ]
}

function anthropicEvent(event: JsonObject & { type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}
