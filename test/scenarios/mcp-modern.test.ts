import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { everythingStdio } from '@toolgate/testing/mcp-everything'
import { type RawDecision, type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { openRawSession } from '../raw-client.ts'
import { verifies } from '../verifies.ts'

let gateway: Booted
let modern: SdkMcpServer
let legacy: SdkMcpServer
let headers: RawMcpServer
beforeAll(async () => {
  headers = await startRawMcpServer(offeringHeaders)
  modern = await startMcpServer({ modern: 'alone' })
  legacy = await startMcpServer()
  const asking = { allow_elicitation: true, allow_sampling: true }
  gateway = await boot({
    config: {
      mcp_servers: {
        modern: { url: modern.url, ...asking },
        legacy: { url: legacy.url, ...asking },
        everything: { ...everythingStdio },
        headers: { url: headers.url },
      },
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await modern[Symbol.asyncDispose]()
  await legacy[Symbol.asyncDispose]()
  await headers[Symbol.asyncDispose]()
})

/** A modern server with one tool that declares its header well, and one that does not. */
const offeringHeaders: RawDecision = (request) => {
  const tools = ['Region', 'My Region'].map((header, index) => ({
    name: ['good', 'bad'][index],
    inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': header } } },
  }))
  const discovery = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }
  const results: Readonly<Record<string, object>> = { 'server/discover': discovery, 'tools/list': { tools } }
  const { method } = request.message
  const result = typeof method === 'string' ? results[method] : undefined
  return result && { body: resultFor(request, result) }
}

/** The official client of the modern era, which fills in every form. */
async function sdkClient(path: string, mode: 'auto' | { pin: string } = { pin: '2026-07-28' }) {
  const client = new Client(
    { name: 'sdk', version: '1' },
    { capabilities: { elicitation: { form: {} }, sampling: {} }, versionNegotiation: { mode } },
  )
  client.setRequestHandler('elicitation/create', async () => ({
    action: 'accept',
    content: { sure: true, name: 'Ada' },
  }))
  const url = new URL(`http://gateway.test${path}`)
  const requestInit = { headers: { 'x-litellm-api-key': gateway.masterKey } }
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: gateway.fetch, requestInit }))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}

interface Raw {
  readonly method: string
  readonly params?: JsonObject
  readonly headers?: Readonly<Record<string, string>>
  readonly path?: string
}

/** One request, with the headers that go with it unless the test says otherwise. */
async function raw({ method, params = {}, headers = {}, path = '/mcp' }: Raw) {
  const name = params['name'] ?? params['uri']
  const response = await gateway.request(path, {
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' && { 'mcp-name': name }),
      ...headers,
    },
    body: { jsonrpc: '2.0', id: 7, method, params: { _meta: meta, ...params } },
  })
  const answer: unknown = await response.json()
  if (!isJsonObject(answer)) throw new Error('no object')
  return { status: response.status, answer }
}

describe('what a server logs', () => {
  const levelKey = 'io.modelcontextprotocol/logLevel'

  for (const [level, heard] of [
    [undefined, false],
    ['error', false],
    ['warning', true],
    ['debug', true],
  ] as const) {
    verifies('mcp:logging', `is told to a modern client of level ${level} where it asked for that`, async () => {
      const params = { name: 'modern-log', arguments: {}, _meta: { ...meta, ...(level && { [levelKey]: level }) } }
      const response = await gateway.request('/mcp', {
        headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'modern-log' },
        body: { jsonrpc: '2.0', id: 7, method: 'tools/call', params },
      })
      const said = await response.text()
      expect(said).toContain('logged')
      expect(said.includes('something happened')).toBe(heard)
    })
  }

  verifies('mcp:logging', 'is asked for from a modern server at the level of the session', async () => {
    const headers = { 'x-litellm-api-key': gateway.masterKey }
    const session = await openRawSession({ fetch: gateway.fetch, url: 'http://gateway.test/mcp', headers })
    await session.ask('logging/setLevel', { level: 'notice' })
    await session.ask('tools/call', { name: 'modern-log', arguments: {} })
    expect(modern.requests.at(-1)?.body).toMatchObject({ params: { _meta: { [levelKey]: 'notice' } } })
  })
})

describe('a tool whose headers are declared against the rules', () => {
  verifies('mcp:stateless', 'of a modern server is withheld by name, and the others are there', async () => {
    const { answer } = await raw({ method: 'tools/list', path: '/headers/mcp' })
    expect(answer).toMatchObject({
      result: {
        tools: [{ name: 'good' }],
        _meta: { 'toolgate/withheld': [{ name: 'bad', reason: expect.stringContaining('x-mcp-header') }] },
      },
    })
  })
})

describe('the official client of 2026-07-28', () => {
  for (const [path, prefix] of [
    ['/mcp', 'modern-'],
    ['/mcp/modern', ''],
  ] as const) {
    verifies('mcp:stateless', `lists, calls and is told what is missing at ${path}`, async () => {
      await using client = await sdkClient(path)
      const { tools } = await client.listTools()
      expect(tools.map(({ name }) => name)).toContain(`${prefix}interview`)
      const echo = await client.callTool({ name: `${prefix}echo`, arguments: { message: 'hi' } })
      expect(echo.content).toEqual([{ type: 'text', text: 'hi' }])
      const interview = await client.callTool({ name: `${prefix}interview`, arguments: {} })
      expect(JSON.stringify(interview.content)).toMatch(/Ada.*Ada/)
      const region = await client.callTool({ name: `${prefix}region`, arguments: { region: 'zürich' } })
      expect(region.content).toEqual([{ type: 'text', text: 'zürich' }])
    })
  }

  verifies('mcp:stateless', 'is found to be one, and hears progress of both kinds of servers', async () => {
    await using client = await sdkClient('/mcp', 'auto')
    for (const name of ['modern-count', 'legacy-count']) {
      const heard: number[] = []
      const onprogress = ({ progress }: { progress: number }) => void heard.push(progress)
      await client.callTool({ name, arguments: { steps: 3 } }, { onprogress })
      expect([name, heard]).toEqual([name, [1, 2, 3]])
    }
  })

  verifies('mcp:stateless', 'gets on with a server that asks back while it works', async () => {
    await using client = await sdkClient('/mcp')
    const { content } = await client.callTool({ name: 'legacy-confirm', arguments: {} })
    expect(JSON.stringify(content)).toContain('accept')
  })

  verifies('mcp:stateless', 'uses a server that is a process', async () => {
    await using client = await sdkClient('/mcp/everything')
    const { content } = await client.callTool({ name: 'echo', arguments: { message: 'hi' } })
    expect(JSON.stringify(content)).toContain('Echo: hi')
    const { resources } = await client.listResources()
    const [first] = resources
    expect(await client.readResource({ uri: first?.uri ?? '' })).toHaveProperty('contents')
  })
})

describe('a request of 2026-07-28', () => {
  verifies('mcp:stateless', 'is answered as the specification has it', async () => {
    expect(await raw({ method: 'server/discover' })).toMatchObject({
      status: 200,
      answer: {
        id: 7,
        result: {
          resultType: 'complete',
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {} },
          ttlMs: 0,
          cacheScope: 'private',
          _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'toolgate' } },
        },
      },
    })
    expect(await raw({ method: 'tools/list' })).toMatchObject({
      status: 200,
      answer: { result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } },
    })
  })

  const echo = { name: 'modern-echo', arguments: { message: 'hi' } }
  const refusals: readonly [string, Raw, number, number][] = [
    ['a missing envelope', { method: 'tools/list', params: { _meta: {} } }, 400, -32602],
    ['another method in the header', { method: 'tools/list', headers: { 'mcp-method': 'tools/call' } }, 400, -32020],
    [
      'another version in the header',
      { method: 'tools/list', headers: { 'mcp-protocol-version': '2025-11-25' } },
      400,
      -32020,
    ],
    [
      'another name in the header',
      { method: 'tools/call', params: echo, headers: { 'mcp-name': 'other' } },
      400,
      -32020,
    ],
    [
      'a name in broken base64',
      { method: 'tools/call', params: echo, headers: { 'mcp-name': '=?base64?!?=' } },
      400,
      -32020,
    ],
    [
      'an unknown version',
      {
        method: 'tools/list',
        headers: { 'mcp-protocol-version': '2027-01-01' },
        params: { _meta: { ...meta, 'io.modelcontextprotocol/protocolVersion': '2027-01-01' } },
      },
      400,
      -32022,
    ],
    ['an unknown method', { method: 'no/such' }, 404, -32601],
    ['a method of the past', { method: 'ping' }, 404, -32601],
    ['an unknown tool', { method: 'tools/call', params: { name: 'nothing', arguments: {} } }, 200, -32602],
    [
      'an argument that its header lacks',
      { method: 'tools/call', params: { name: 'modern-region', arguments: { region: 'eu' } } },
      400,
      -32020,
    ],
    [
      'a capability that the client lacks',
      { method: 'tools/call', params: { name: 'modern-confirm', arguments: {} } },
      400,
      -32021,
    ],
  ]
  for (const [what, request, status, code] of refusals) {
    verifies('mcp:stateless', `is refused for ${what}`, async () => {
      const { answer, ...rest } = await raw(request)
      expect({ ...rest, code: isJsonObject(answer['error']) ? answer['error']['code'] : answer }).toEqual({
        status,
        code,
      })
    })
  }

  verifies('mcp:stateless', 'is none in a batch: nothing of that is done, whatever else is in it', async () => {
    const call = { jsonrpc: '2.0', method: 'tools/call', params: { name: 'legacy-echo', arguments: {} } }
    const claiming = { ...call, id: 2, params: { ...call.params, _meta: meta } }
    const sent = () => [legacy, modern].map(({ requests }) => requests.filter((one) => one.rpcMethod === 'tools/call'))
    const before = sent()
    for (const { headers, body } of [
      { headers: {}, body: [{ ...call, id: 1 }, claiming] },
      { headers: { 'mcp-protocol-version': '2026-07-28' }, body: [{ ...call, id: 1 }] },
    ]) {
      const response = await gateway.request('/mcp', { headers, body })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ id: null, error: { code: -32600, message: /batches/ } })
    }
    expect(sent()).toEqual(before)
  })

  verifies('mcp:stateless', 'has no stream of its own and nothing to end', async () => {
    for (const method of ['GET', 'DELETE']) {
      const response = await gateway.request('/mcp', { method, headers: { 'mcp-protocol-version': '2026-07-28' } })
      expect(response.status).toBe(405)
    }
  })
})
