import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
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
import { boot, type Booted, recordingLog } from '../boot.ts'
import { openRawSession } from '../raw-client.ts'
import { verifies } from '../verifies.ts'
import { malformedBodies, malformedHeaders } from './mcp-malformed.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** Invented requests between two looks at what the gateway keeps. */
const perRound = 150
/** What each of them brings along, so that to keep one of them shows. */
const paddingBytes = 16_384

const behind = new AsyncDisposableStack()
let gateway: Booted
let configOf: (...names: string[]) => object
beforeAll(async () => {
  const { url } = behind.use(await startRawMcpServer())
  configOf = (...names) => ({ mcp_servers: Object.fromEntries(names.map((name) => [name, { url }])) })
  gateway = behind.use(await boot({ config: configOf('raw') }))
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

/** The same message, longer. */
function padded(body: string): string {
  return body.startsWith('{')
    ? body.replace('{', `{"padding":"${randomBytes(paddingBytes / 2).toString('hex')}",`)
    : body
}

function heapAfterCollection(): number {
  collect()
  return process.memoryUsage().heapUsed
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

  verifies(
    'mcp:fuzz',
    'a request is answered under the id that it came with, or refused where that has too many digits',
    async () => {
      const answerTo = async (id: string) =>
        (await gateway.request('/mcp', { body: `{"jsonrpc":"2.0","id":${id},"method":"ping"}` })).text()
      expect(await answerTo('9007199254740991')).toContain('"id":9007199254740991,"result"')
      expect(await answerTo('9007199254740993')).toContain('"id":null,"error":{"code":-32600')
    },
  )

  verifies('mcp:fuzz', 'a text that no store can keep is the fault of whoever sent it', async () => {
    const log = recordingLog()
    await using here = await boot({ config: configOf('raw'), log })
    const ask = async (method: string, params: object, headers: Record<string, string> = {}) => {
      const response = await here.request('/mcp', { headers, body: { jsonrpc: '2.0', id: 1, method, params } })
      const [said = ''] = /\{.*\}/.exec(await response.text()) ?? []
      return { answer: JSON.parse(said), session: response.headers.get('mcp-session-id') ?? '' }
    }
    const open = (experimental: object) =>
      ask('initialize', { protocolVersion: '2025-11-25', capabilities: { experimental } })
    const refused = { error: { code: -32602, message: expect.stringContaining('half a character') } }
    for (const text of ['\ud800', 'half \udfff of one', '\u0000']) {
      for (const experimental of [{ x: text }, { x: [{ y: text }] }, { [text]: {} }]) {
        const { answer, session } = await open(experimental)
        expect({ answer, session }).toMatchObject({ answer: refused, session: '' })
      }
    }
    const { answer, session } = await open({ x: 'a whole one: \u{1f600}, and what only looks like half: \\ud800' })
    expect(answer).toHaveProperty('result')
    for (const uri of ['file:///\ud800', 'file:///\u0000']) {
      const { answer } = await ask('resources/subscribe', { uri }, { 'mcp-session-id': session })
      expect(answer).toMatchObject(refused)
    }
    expect(log.lines.filter((line) => line.includes('"blame":"operator"'))).toEqual([])
  })

  verifies('mcp:fuzz', 'invented bodies and headers too, and nothing is kept of them', async () => {
    const invent = (seed: number) =>
      assert(
        asyncProperty(constantFrom(...doors), body, headers, (path, body, headers) =>
          expectSpecCorrect({ path, body: padded(body), headers }),
        ),
        { numRuns: perRound, seed },
      )
    // Caches and code grow at first, and sessions up to what one owner may have.
    for (const seed of [1, 2]) await invent(seed)
    const before = heapAfterCollection()
    for (const seed of [3, 4]) await invent(seed)
    expect((heapAfterCollection() - before) / (2 * perRound)).toBeLessThan(paddingBytes / 16)
    await standsAsBefore()
  })

  verifies('mcp:fuzz', 'a session in use goes on, and so does its stream', async () => {
    const clientInfo = { name: 'fuzzed', version: '1' }
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
    const opened = await gateway.request('/mcp', { body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } })
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const leaving = new AbortController()
    const stream = await gateway.request('/mcp', { headers: session, signal: leaving.signal })
    await assert(
      asyncProperty(body, (body) => expectSpecCorrect({ path: '/mcp', body, headers: session })),
      { numRuns: perRound },
    )
    for (const body of malformedBodies) await expectSpecCorrect({ path: '/mcp', body, headers: session })
    const call = { name: 'raw-echo', arguments: { still: 'here' } }
    const answer = await gateway.json('/mcp', {
      headers: session,
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: call },
    })
    expect(answer).toMatchObject({ id: 1, result: { content: [{ text: '{"still":"here"}' }] } })
    await gateway.reload(configOf('raw', 'more'))
    let heard = ''
    for await (const chunk of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      heard += chunk
      if (heard.includes('list_changed')) break
    }
    leaving.abort()
  })
})
