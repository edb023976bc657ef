import { isJsonObject, type JsonValue } from '@toolgate/core'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import {
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  json,
  jsonValue,
  oneof,
  record,
  string as textOf,
} from 'fast-check'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { openRawSession } from '../raw-client.ts'
import { verifies } from '../verifies.ts'
import { malformedBodies, malformedHeaders } from './mcp-malformed.ts'

const behind = new AsyncDisposableStack()
let gateway: Booted
beforeAll(async () => {
  const server = behind.use(await startRawMcpServer())
  gateway = behind.use(await boot({ config: { mcp_servers: { raw: { url: server.url } } } }))
})
afterAll(() => behind.disposeAsync())

const doors = ['/mcp', '/raw/mcp', '/mcp/raw/'] as const

interface Sent {
  readonly path: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What may come back, whatever was sent: one JSON-RPC answer, or several to a batch, or nothing to what asks nothing. */
async function expectSpecCorrect({ path, body, headers = {} }: Sent): Promise<void> {
  const accept = 'application/json, text/event-stream'
  const response = await gateway.request(path, { body, headers: { accept, ...headers } })
  const answer = await response.text()
  const fault = faultIn(response, answer)
  if (fault !== undefined)
    throw new Error(`${fault}: HTTP ${response.status} ${answer.slice(0, 500)} to ${body.slice(0, 500)}`)
}

function faultIn({ status, headers }: Response, answer: string): string | undefined {
  // A 502 or 504 speaks of the server behind the endpoint.
  if (status === 500 || status === 503) return 'a fault of the gateway'
  if (status === 202) return answer === '' ? undefined : 'words to what asked nothing'
  const streamed = headers.get('content-type')?.startsWith('text/event-stream') === true
  const said: JsonValue[] = streamed
    ? [...answer.matchAll(/^data: ?(.+)$/gm)]
        .map(([, data = '']) => data)
        .filter((data) => data.trim() !== '')
        .map((data) => JSON.parse(data))
    : [JSON.parse(answer)].flat()
  if (said.length === 0) return 'no answer'
  // Who may not enter, and whose session is over, is told so by HTTP before anybody looks at the message.
  const refused = status === 403 || status === 404
  for (const message of said) {
    if (!isJsonObject(message)) return 'no message'
    const { jsonrpc, id = null, error, result } = message
    if (refused && error !== undefined) continue
    if (jsonrpc !== '2.0' || (error === undefined) === (result === undefined)) return 'no response'
    if (error === undefined) continue
    if (!isJsonObject(error) || typeof error['code'] !== 'number' || typeof error['message'] !== 'string')
      return 'no error'
    if (id !== null && typeof id !== 'string' && typeof id !== 'number') return 'no id'
  }
  return undefined
}

const standsAsBefore = async () => {
  const headers = { 'x-litellm-api-key': gateway.masterKey }
  const client = await openRawSession({ fetch: gateway.fetch, url: 'http://gateway.test/raw/mcp', headers })
  expect(await client.ask('tools/call', { name: 'echo', arguments: { a: 1 } })).toMatchObject({
    result: { content: [{ text: '{"a":1}' }] },
  })
}

const methods = ['initialize', 'ping', 'tools/list', 'tools/call', 'server/discover', 'notifications/cancelled', 'x']
const message = record(
  {
    jsonrpc: oneof(constant('2.0'), jsonValue()),
    id: oneof(integer(), textOf(), jsonValue()),
    method: oneof(constantFrom(...methods), jsonValue()),
    params: oneof(
      record(
        {
          name: oneof(constant('echo'), jsonValue()),
          arguments: jsonValue(),
          _meta: oneof(
            jsonValue(),
            record({
              'io.modelcontextprotocol/protocolVersion': oneof(constant('2026-07-28'), jsonValue()),
            }),
          ),
          protocolVersion: oneof(constantFrom('2025-11-25', '2024-11-05', '2099-01-01'), jsonValue()),
          capabilities: jsonValue(),
          clientInfo: jsonValue(),
          cursor: jsonValue(),
        },
        { requiredKeys: [] },
      ),
      jsonValue(),
    ),
  },
  { requiredKeys: [] },
)
const body = oneof(
  message.map((value) => JSON.stringify(value)),
  array(message, { maxLength: 4 }).map((value) => JSON.stringify(value)),
  json(),
  textOf(),
)
const printable = textOf({ unit: constantFrom(...Array.from('abc019-./=?%,;: ')), maxLength: 30 })
const headers = record(
  {
    'mcp-protocol-version': oneof(constantFrom('2025-11-25', '2026-07-28', '2024-11-05', '1.0'), printable),
    'mcp-session-id': printable,
    'mcp-method': oneof(constantFrom(...methods), printable),
    'mcp-name': oneof(constantFrom('echo', '=?base64?ZWNobw==?=', '=?base64?%?='), printable),
    'last-event-id': printable,
    'x-mcp-servers': oneof(constant('raw'), printable),
  },
  { requiredKeys: [] },
)

describe('whatever is sent to an MCP endpoint', () => {
  verifies('mcp:fuzz', 'each body of the corpus has an answer that the protocol knows', async () => {
    for (const path of doors) {
      for (const body of malformedBodies) await expectSpecCorrect({ path, body })
      for (const headers of malformedHeaders) {
        await expectSpecCorrect({ path, headers, body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' })
      }
    }
    await standsAsBefore()
  })

  verifies('mcp:fuzz', 'invented bodies and headers too', async () => {
    await assert(
      asyncProperty(constantFrom(...doors), body, headers, (path, body, headers) =>
        expectSpecCorrect({ path, body, headers }),
      ),
      { numRuns: 400 },
    )
    await standsAsBefore()
  })
})
