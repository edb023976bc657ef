import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/** A client that looks at nothing it is answered: what arrives can be compared with what was sent, byte for byte. */
export interface RawClient {
  /** The whole JSON-RPC response. */
  ask(method: string, params?: JsonObject): Promise<JsonObject>
}

export interface RawClientOptions {
  readonly fetch: typeof globalThis.fetch
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** What it calls itself. */
  readonly clientInfo?: JsonObject
}

const usualInfo = { name: 'raw', version: '1' }

/** In a session of 2025-11-25, as most clients are. */
export async function openRawSession(options: RawClientOptions): Promise<RawClient> {
  const { clientInfo = usualInfo } = options
  const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  const { response, answer } = await post(options, requestOf('initialize', hello))
  if (answer === undefined) throw new Error(`no handshake: HTTP ${response.status}`)
  const sessionId = response.headers.get('mcp-session-id')
  const headers = {
    ...options.headers,
    'mcp-protocol-version': '2025-11-25',
    ...(sessionId !== null && { 'mcp-session-id': sessionId }),
  }
  await post({ ...options, headers }, { jsonrpc: '2.0', method: 'notifications/initialized' })
  return { ask: (method, params) => answered({ ...options, headers }, requestOf(method, params)) }
}

/** Without sessions, as 2026-07-28 has it. */
export function rawModernClient(options: RawClientOptions): RawClient {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': options.clientInfo ?? usualInfo,
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return {
    ask(method, params = {}) {
      const name = params['name'] ?? params['uri']
      const headers = {
        ...options.headers,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(typeof name === 'string' && { 'mcp-name': name }),
      }
      return answered({ ...options, headers }, requestOf(method, { ...params, _meta }))
    },
  }
}

let lastId = 0

function requestOf(method: string, params?: JsonObject): JsonObject {
  lastId += 1
  return { jsonrpc: '2.0', id: lastId, method, ...(params !== undefined && { params }) }
}

async function answered(options: RawClientOptions, request: JsonObject): Promise<JsonObject> {
  const { response, answer } = await post(options, request)
  if (answer === undefined) throw new Error(`no answer to ${JSON.stringify(request)}: HTTP ${response.status}`)
  return answer
}

async function post({ fetch, url, headers }: RawClientOptions, message: JsonObject) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify(message),
  })
  const said = messagesOf(await response.text(), response.headers.get('content-type') ?? '')
  const answer = said.find((value) => isJsonObject(value) && value['id'] === message['id'])
  return { response, answer: isJsonObject(answer) ? answer : undefined }
}

function messagesOf(body: string, contentType: string): JsonValue[] {
  if (body === '') return []
  if (!contentType.startsWith('text/event-stream')) return [JSON.parse(body)]
  const datas = [...body.matchAll(/^data: ?(.+)$/gm)].map(([, data]) => data ?? '')
  return datas.filter((data) => data.trim() !== '').map((data) => JSON.parse(data))
}
