import { isJsonObject, type JsonObject } from '@toolgate/core'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { openRawSession } from '../raw-client.ts'
import { verifies } from '../verifies.ts'
import { clientHabits } from './mcp-client-habits.ts'

const behind = new AsyncDisposableStack()
let gateway: Booted
beforeAll(async () => {
  // Says nothing to anybody, as a server does that lost its database.
  const hanging = behind.use(await startRawMcpServer(() => 'hang'))
  const odd = behind.use(
    await startRawMcpServer((request) => {
      if (request.message['method'] !== 'tools/list') return undefined
      const inputSchema = { type: 'object' }
      const tools = [
        {
          name: 'good',
          inputSchema,
          title: 'Good',
          outputSchema: inputSchema,
          annotations: { readOnlyHint: true },
          _meta: { 'a/b': 1 },
        },
        { name: 'bad', inputSchema: 'none' },
        { name: 'boolean', inputSchema: { type: 'object', properties: { x: true, y: false, z: {} } } },
        ...Array.from({ length: 300 }, (_, index) => ({ name: `tool-${index}`, inputSchema })),
      ]
      return { body: resultFor(request, { tools }) }
    }),
  )
  const plain = behind.use(await startRawMcpServer())
  const mcp_servers = { plain: { url: plain.url }, hanging: { url: hanging.url }, odd: { url: odd.url } }
  gateway = behind.use(await boot({ config: { mcp_servers } }))
})
afterAll(() => behind.disposeAsync())

const listed = ({ result }: JsonObject): JsonObject[] => {
  const tools = isJsonObject(result) ? result['tools'] : undefined
  return Array.isArray(tools) ? tools.filter(isJsonObject) : []
}

describe('the habits of real clients', () => {
  for (const [client, { initialize, headers = {}, probes = false, getsBefore = false }] of Object.entries(
    clientHabits,
  )) {
    verifies('mcp:real-clients', `${client} finds what it came for`, async () => {
      const bearing = { 'x-litellm-api-key': `Bearer ${gateway.masterKey}`, ...headers }
      const get = (more: Record<string, string>) =>
        gateway.request('/mcp', { key: null, headers: { ...bearing, accept: 'text/event-stream', ...more } })
      if (getsBefore) expect([200, 404, 405]).toContain((await get({})).status)
      if (probes) await probe(bearing)

      const hello = await gateway.request('/mcp', {
        key: null,
        headers: { ...bearing, accept: 'application/json, text/event-stream' },
        body: { jsonrpc: '2.0', id: 0, method: 'initialize', params: initialize },
      })
      expect(hello.status).toBe(200)
      const sessionId = hello.headers.get('mcp-session-id')
      await hello.body?.cancel()

      // A 400 here ends one of them for good.
      const stream = await get(sessionId === null ? {} : { 'mcp-session-id': sessionId })
      expect([200, 405]).toContain(stream.status)
      await stream.body?.cancel()

      const session = await openRawSession({ fetch: gateway.fetch, url: 'http://gateway.test/mcp', headers: bearing })
      expect(listed(await session.ask('tools/list')).map(({ name }) => name)).toContain('plain-echo')
      const call = { name: 'plain-echo', arguments: { client } }
      expect(await session.ask('tools/call', call)).toMatchObject({
        result: { content: [{ text: JSON.stringify({ client }) }] },
      })
    })
  }

  verifies('clients:probe', 'that try the newest version first are answered at once, and need no session', async () => {
    const bearing = { 'x-litellm-api-key': `Bearer ${gateway.masterKey}` }
    const took: number[] = []
    for (const _ of [1, 2, 3]) {
      const began = performance.now()
      await probe(bearing)
      took.push(performance.now() - began)
    }
    expect(Math.min(...took)).toBeLessThan(1_000)
    // A version that nobody speaks, and a question without its envelope, as a former server would answer them.
    const unknown = await gateway.request('/mcp', {
      body: { jsonrpc: '2.0', id: 1, method: 'server/discover', params: {} },
    })
    expect([unknown.status, await unknown.json()]).toMatchObject([200, { id: 1, error: { code: -32601 } }])
    const call = { name: 'plain-echo', arguments: { without: 'session' } }
    const answer = await gateway.json('/mcp', { body: { jsonrpc: '2.0', id: 2, method: 'tools/call', params: call } })
    expect(answer).toMatchObject({ result: { content: [{ text: '{"without":"session"}' }] } })
  })

  async function probe(headers: Record<string, string>): Promise<void> {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'probing', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    const answer = await gateway.request('/mcp', {
      key: null,
      headers: { ...headers, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' },
      body: { jsonrpc: '2.0', id: 0, method: 'server/discover', params: { _meta } },
    })
    // Either is understood by all of them; a 401, a 500 or a page is not.
    expect(answer.status).toBe(200)
    const said: unknown = await answer.json()
    const modern = { id: 0, result: { supportedVersions: ['2026-07-28'] } }
    const former = { id: 0, error: { code: -32601 } }
    expect(said).toMatchObject(isJsonObject(said) && 'error' in said ? former : modern)
  }

  verifies('clients:whole-tools', 'get every good tool on one page, with all that it says of itself', async () => {
    const session = await openRawSession({
      fetch: gateway.fetch,
      url: 'http://gateway.test/mcp',
      headers: { 'x-litellm-api-key': gateway.masterKey },
    })
    const answer = await session.ask('tools/list')
    const tools = listed(answer)
    expect(answer['result']).not.toHaveProperty('nextCursor')
    expect(tools.filter(({ name }) => typeof name === 'string' && name.startsWith('odd-tool-'))).toHaveLength(300)
    expect(tools.find(({ name }) => name === 'odd-good')).toMatchObject({
      title: 'Good',
      outputSchema: { type: 'object' },
      annotations: { readOnlyHint: true },
      _meta: { 'a/b': 1 },
    })
    // One like these has several clients drop the whole list.
    expect(tools.map(({ name }) => name)).not.toContain('odd-bad')
    expect(tools.find(({ name }) => name === 'odd-boolean')?.['inputSchema']).toEqual({
      type: 'object',
      properties: { x: {}, y: { not: {} }, z: {} },
    })
    expect(JSON.stringify(answer['result'])).toContain('hanging')
  })

  verifies('clients:refusals', 'find where to sign in wherever they look, at once and in JSON', async () => {
    const paths = [
      '/.well-known/oauth-authorization-server',
      '/.well-known/oauth-authorization-server/mcp',
      '/.well-known/openid-configuration',
      '/.well-known/openid-configuration/mcp',
      '/mcp/.well-known/openid-configuration',
      '/.well-known/oauth-protected-resource/mcp',
    ]
    for (const path of paths) {
      const answer = await gateway.request(path, { key: null })
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        200,
        expect.stringMatching(/^application\/json/),
      ])
      expect(isJsonObject(await answer.json())).toBe(true)
    }
    const none = await gateway.request('/.well-known/other', { key: null })
    expect([none.status, isJsonObject(await none.json())]).toEqual([404, true])
    const registration = await gateway.request('/register', { key: null, body: { redirect_uris: [] } })
    expect([registration.status, isJsonObject(await registration.json())]).toEqual([400, true])
    const unknown = await gateway.request('/mcp', {
      key: 'sk-wrong',
      body: { jsonrpc: '2.0', id: 1, method: 'ping' },
    })
    expect([unknown.status, isJsonObject(await unknown.json())]).toEqual([401, true])
  })
})
