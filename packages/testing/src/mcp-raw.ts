import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { isJsonObject, type JsonObject } from '@toolgate/core'

/** One request as the upstream received it. */
export interface RawRequest {
  /** Counted from 1, over all methods. */
  readonly number: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The JSON-RPC message of a POST; `{}` where there is none. */
  readonly message: JsonObject
  /** The client's: equal ports are one socket. */
  readonly port: number | undefined
  /** Headers and body as one text, for canaries. */
  readonly raw: string
  /** Resolves when the exchange is over: answered, or given up by the client. */
  readonly closed: Promise<'answered' | 'abandoned'>
}

/**
 * `hang` never answers, `drop` cuts the connection. An object as body is sent as JSON, a text as it is. `events` is an
 * SSE stream: objects become one `message` event each, texts go out as they are; it ends with the list.
 */
export type RawAnswer =
  | 'hang'
  | 'drop'
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: object | string }
  | {
      readonly headers?: Record<string, string>
      readonly events: Iterable<object | string> | AsyncIterable<object | string>
    }

/** What to answer; `undefined` is what a well-behaved server with sessions would. */
export type RawDecision = (request: RawRequest) => RawAnswer | undefined | Promise<RawAnswer | undefined>

export interface RawMcpServer extends AsyncDisposable {
  readonly url: string
  readonly requests: readonly RawRequest[]
  /** Requests whose JSON-RPC method is this one. */
  received(rpcMethod: string): readonly RawRequest[]
  /** Replaces the script for every request from now on. */
  answer(decide: RawDecision): void
}

/** A scriptable MCP server on loopback: whatever a server must never do, it does when told. */
export async function startRawMcpServer(decide: RawDecision = () => undefined): Promise<RawMcpServer> {
  const requests: RawRequest[] = []
  let script = decide

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const body = await text(incoming)
    const request: RawRequest = {
      number: requests.length + 1,
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      port: incoming.socket.remotePort,
      message: messageOf(body),
      raw: `${incoming.rawHeaders.join('\n')}\n\n${body}`,
      closed: new Promise((resolve) => {
        response.on('close', () => resolve(response.writableFinished ? 'answered' : 'abandoned'))
      }),
    }
    requests.push(request)
    await send(response, (await script(request)) ?? wellBehaved(request))
  }
  // A script that throws cuts the connection, which the client sees.
  const server = createServer((incoming, response) => void serve(incoming, response).catch(() => response.destroy()))
  const port = await listen(server)

  return {
    url: `http://127.0.0.1:${port}/mcp`,
    requests,
    received: (rpcMethod) => requests.filter(({ message }) => message['method'] === rpcMethod),
    answer(next) {
      script = next
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A port that accepts and never says a word: under its `https` address a connection is never made. */
export async function startSilentPort(): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  const port = await listen(server)
  return {
    url: `https://127.0.0.1:${port}/mcp`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The JSON-RPC result that answers this request. */
export function resultFor({ message }: Pick<RawRequest, 'message'>, result: object): object {
  return { jsonrpc: '2.0', id: message['id'], result }
}

/** The session that {@link wellBehaved} opens. */
export const rawSessionId = 'raw-session'

/** One tool, `echo`, that returns its arguments as text; one session; no GET stream. */
export function wellBehaved(request: RawRequest): RawAnswer {
  const { method, message } = request
  if (method === 'DELETE') return { status: 200 }
  if (method !== 'POST') return { status: 405 }
  const rpcMethod = typeof message['method'] === 'string' ? message['method'] : ''
  switch (rpcMethod) {
    case 'initialize':
      return {
        headers: { 'mcp-session-id': rawSessionId },
        body: resultFor(request, {
          protocolVersion: '2025-11-25',
          capabilities: { tools: { listChanged: true } },
          serverInfo: { name: 'raw', version: '1' },
        }),
      }
    case 'tools/list':
      return { body: resultFor(request, { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }) }
    case 'tools/call':
      return { body: resultFor(request, { content: [{ type: 'text', text: JSON.stringify(argumentsOf(message)) }] }) }
    default:
      // Notifications, and answers to what the server asked.
      if (message['id'] === undefined || rpcMethod === '') return { status: 202 }
      return { body: { jsonrpc: '2.0', id: message['id'], error: { code: -32601, message: 'Method not found' } } }
  }
}

function argumentsOf({ params }: JsonObject) {
  return isJsonObject(params) ? (params['arguments'] ?? {}) : {}
}

function messageOf(body: string): JsonObject {
  if (body === '') return {}
  const parsed: unknown = JSON.parse(body)
  return isJsonObject(parsed) ? parsed : {}
}

async function send(response: ServerResponse, answer: RawAnswer): Promise<void> {
  if (answer === 'hang') return
  if (answer === 'drop') {
    response.destroy()
    return
  }
  if ('events' in answer) {
    response.writeHead(200, { 'content-type': 'text/event-stream', ...answer.headers })
    response.flushHeaders()
    for await (const event of answer.events) response.write(typeof event === 'string' ? event : eventOf(event))
    response.end()
    return
  }
  const { status = 200, headers = {}, body } = answer
  const contentType = typeof body === 'object' ? { 'content-type': 'application/json' } : {}
  response.writeHead(status, { ...contentType, ...headers })
  response.end(typeof body === 'object' ? JSON.stringify(body) : body)
}

function eventOf(message: object): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`
}

async function listen(server: TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')
  return address.port
}
