import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** What the oldest client line accepts, every other one does. */
async function connect(gateway: Booted, { path = '/mcp', capabilities = {} } = {}) {
  const requestInit = { headers: { 'x-litellm-api-key': gateway.masterKey } }
  const options = { fetch: gateway.fetch, requestInit }
  const transport = new StreamableHTTPClientTransport(new URL(path, 'http://gateway.test'), options)
  const client = new Client({ name: 'real', version: '1' }, { capabilities })
  await client.connect(transport)
  return { client, transport, [Symbol.asyncDispose]: () => client.close() }
}

/** A server with these tools. */
const offering = (tools: readonly object[]) =>
  startRawMcpServer((request) =>
    request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
  )
const tool = (name: string, inputSchema: object = { type: 'object' }) => ({ name, inputSchema })

describe('a client', () => {
  verifies('mcp:clients', 'has its handshake and its tools before it gives up, while a server hangs', async () => {
    await using hanging = await startRawMcpServer(() => 'hang')
    await using well = await offering([tool('echo')])
    const mcp_servers = { well: { url: well.url }, hanging: { url: hanging.url } }
    await using gateway = await boot({ env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '5' }, config: { mcp_servers } })
    const took: number[] = []
    // The best of three: the machine may be busy, the gateway must not be what is slow.
    for (const _ of [1, 2, 3]) {
      const began = performance.now()
      await using session = await connect(gateway)
      expect((await session.client.listTools()).tools.map(({ name }) => name)).toEqual(['well-echo'])
      took.push(performance.now() - began)
    }
    expect(Math.min(...took)).toBeLessThan(2_000)
  })

  verifies('mcp:clients', 'gets a thousand tools in one page, and a cursor for the one beyond', async () => {
    await using server = await offering(Array.from({ length: 1_001 }, (_, index) => tool(`t${index}`)))
    await using gateway = await boot({ config: { mcp_servers: { many: { url: server.url } } } })
    await using session = await connect(gateway)
    const first = await session.client.listTools()
    expect([first.tools.length, typeof first.nextCursor]).toEqual([1_000, 'string'])
    const second = await session.client.listTools({ cursor: first.nextCursor })
    expect([second.tools.map(({ name }) => name), second.nextCursor]).toEqual([['many-t1000'], undefined])
  })

  verifies('mcp:clients', 'loses one bad tool of one server, by name, and no list', async () => {
    await using bad = await offering([
      tool('good'),
      tool('bad', { type: 'string' }),
      { ...tool('titled'), title: 7 },
      tool('unrequired', { type: 'object', required: true }),
      { name: 'schemaless', title: null, annotations: null, outputSchema: { type: 'array' } },
    ])
    await using well = await offering([tool('echo')])
    await using gateway = await boot({
      config: { mcp_servers: { bad: { url: bad.url, instructions: 'Ours.' }, well: { url: well.url } } },
    })
    await using session = await connect(gateway)
    expect(session.client.getInstructions()).toBe('Ours.')
    const { tools, _meta } = await session.client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['bad-good', 'bad-schemaless', 'well-echo'])
    expect(tools[1]).toEqual({ name: 'bad-schemaless', inputSchema: { type: 'object' } })
    expect(JSON.stringify(_meta?.['toolgate/withheld'])).toMatch(
      /"bad".*inputSchema.*"titled".*title.*"unrequired".*inputSchema/,
    )
  })

  verifies('mcp:clients', 'that opens a stream, with a session or without, never hears 400', async () => {
    await using gateway = await boot()
    for (const headers of [
      {},
      { accept: '*/*', 'mcp-protocol-version': '2024-11-05' },
      { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' },
      { accept: 'text/event-stream', 'mcp-session-id': '' },
    ]) {
      expect([headers, (await gateway.request('/mcp', { headers })).status]).toEqual([headers, 405])
    }
    await using session = await connect(gateway)
    const open = await gateway.request('/mcp', { headers: { 'mcp-session-id': session.transport.sessionId ?? '' } })
    expect(open.status).toBe(200)
    await open.body?.cancel()
  })
})

describe('what a client has at a server', () => {
  verifies('mcp:sessions', 'ends there when the client gives up a call, and closes when its session ends', async () => {
    await using server = await startMcpServer()
    await using gateway = await boot({
      config: { mcp_servers: { one: { url: server.url, isolation: 'session' } } },
    })
    await using session = await connect(gateway)
    const leaving = new AbortController()
    const call = session.client.callTool({ name: 'one-wait', arguments: {} }, undefined, { signal: leaving.signal })
    const sent = (rpcMethod: string) => server.requests.filter((request) => request.rpcMethod === rpcMethod)
    await vi.waitFor(() => expect(sent('tools/call')).toHaveLength(1), 10_000)
    leaving.abort('enough')
    await expect(call).rejects.toThrow('enough')
    await vi.waitFor(() => expect(sent('notifications/cancelled')).toHaveLength(1), 10_000)
    const [{ headers } = { headers: new Headers() }] = sent('tools/call')
    const deleted = () =>
      server.requests.filter(
        (request) =>
          request.method === 'DELETE' && request.headers.get('mcp-session-id') === headers.get('mcp-session-id'),
      )
    expect(deleted()).toHaveLength(0)
    await session.transport.terminateSession()
    await vi.waitFor(() => expect(deleted()).toHaveLength(1), 10_000)
  })
})
