import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { isJsonObject, type Secret } from '@toolgate/core'
import { calls, type Database, migrate, openDatabase } from '@toolgate/db'
import { createDatabase, describeOnPostgres } from '@toolgate/testing/database'
import { startConformanceServer } from '@toolgate/testing/conformance-server/start'
import { startEverything } from '@toolgate/testing/mcp-everything'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** Milliseconds in which a change that was made at one gateway holds at the other. */
const boundMs = 2_000

describeOnPostgres('two gateways on one database', (server) => {
  let here: Booted
  let there: Booted
  let store: Database
  let database: Secret
  let http: Awaited<ReturnType<typeof startEverything>>
  let changing: Awaited<ReturnType<typeof startConformanceServer>>
  beforeAll(async () => {
    http = await startEverything()
    changing = await startConformanceServer()
    const url = await createDatabase(await server())
    database = url
    const config = {
      general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] },
      mcp_servers: { every: { url: http.url, allow_elicitation: true }, changing: { url: changing.url } },
    }
    store = await openDatabase({ url })
    await migrate(store)
    here = await boot({ config, database: store })
    there = await boot({ config, database: await openDatabase({ url }) })
  })
  afterAll(async () => {
    await here[Symbol.asyncDispose]()
    await there[Symbol.asyncDispose]()
    await http[Symbol.asyncDispose]()
    await changing[Symbol.asyncDispose]()
  })

  /** A client whose requests go where `route` says at that moment. */
  async function connect(route: (init: RequestInit | undefined) => Booted, capabilities = {}) {
    const requestInit = { headers: { 'x-litellm-api-key': here.masterKey } }
    const fetch: typeof globalThis.fetch = (input, init) => route(init).fetch(input, init)
    const transport = new StreamableHTTPClientTransport(new URL('http://gateway.test/mcp'), { fetch, requestInit })
    const client = new Client({ name: 'wanderer', version: '1' }, { capabilities })
    await client.connect(transport)
    return { client, transport }
  }

  /** A modern client that listens at this gateway, and how often it heard of tools. */
  async function listenAt(gateway: Booted, key = gateway.masterKey) {
    const versionNegotiation = { mode: { pin: '2026-07-28' } }
    const client = new ModernClient({ name: 'listener', version: '1' }, { capabilities: {}, versionNegotiation })
    const told = vi.fn()
    client.setNotificationHandler('notifications/tools/list_changed', told)
    const requestInit = { headers: { 'x-litellm-api-key': key } }
    const transport = new ModernTransport(new URL('http://gateway.test/mcp'), { fetch: gateway.fetch, requestInit })
    await client.connect(transport)
    await client.listen({ toolsListChanged: true })
    return { client, told, [Symbol.asyncDispose]: () => client.close() }
  }

  const namesAt = async ({ client }: { client: { listTools(): Promise<{ tools: { name: string }[] }> } }) =>
    (await client.listTools()).tools.map(({ name }) => name)

  /** It comes true, and by the time that the other gateway has to have seen a change. */
  async function withinBound(seen: () => Promise<void> | void): Promise<void> {
    const began = performance.now()
    await vi.waitFor(seen, { timeout: 15_000, interval: 20 })
    expect(performance.now() - began).toBeLessThan(boundMs)
  }

  verifies('mcp:replicas', 'serve a session wherever it was opened, and nowhere once it was ended', async () => {
    let at = here
    const { client, transport } = await connect(() => at)
    at = there
    expect((await client.listTools()).tools.length).toBeGreaterThan(5)
    const id = transport.sessionId ?? ''
    await transport.terminateSession()
    const ping = (gateway: Booted) =>
      gateway.request('/mcp', { headers: { 'mcp-session-id': id }, body: { jsonrpc: '2.0', id: 1, method: 'ping' } })
    await vi.waitFor(
      async () => expect([(await ping(here)).status, (await ping(there)).status]).toEqual([404, 404]),
      5_000,
    )
    await client.close()
  })

  verifies('clients:session-loss', 'serve a session whose gateway is gone', async () => {
    const open = await openDatabase({ url: database })
    const gone = await boot({ config: {}, database: open })
    let at = gone
    const { client } = await connect(() => at)
    await gone[Symbol.asyncDispose]()
    at = there
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('every-echo')
    await client.close()
  })

  verifies('mcp:replicas', 'lead a client’s answer to the gateway that asked, wherever it lands', async () => {
    // Whatever answers a question goes to the other gateway.
    const isAnswer = (init: RequestInit | undefined) =>
      typeof init?.body === 'string' && !init.body.includes('"method"')
    const { client } = await connect((init) => (isAnswer(init) ? there : here), { elicitation: {} })
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'Ada' } }))
    const result = await client.callTool({ name: 'every-trigger-elicitation-request', arguments: {} })
    expect(JSON.stringify(result)).toContain('Ada')
    await client.close()
  })

  verifies('mcp:resume', 'let a client come back at one for the stream that broke at the other', async () => {
    const raw = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
    const opened = await here.request('/mcp', { body: { jsonrpc: '2.0', id: 0, method: 'initialize', params: raw } })
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const name = 'every-trigger-long-running-operation'
    const params = { name, arguments: { duration: 0.6, steps: 3 }, _meta: { progressToken: 'p' } }
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
    const reader = (await here.request('/mcp', { headers, body })).body
      ?.pipeThrough(new TextDecoderStream())
      .getReader()
    let text = ''
    while (!text.includes('"progress":1')) text += (await reader?.read())?.value ?? ''
    await reader?.cancel()
    const last = [...text.matchAll(/id: (stream_\w+\.\d+)/g)].at(-1)?.[1] ?? ''
    const rest = await (await there.request('/mcp', { headers: { ...headers, 'last-event-id': last } })).text()
    expect([...rest.matchAll(/"progress":(\d)/g)].map(([, step]) => step)).toEqual(['2', '3'])
    expect(rest).toMatch(/"id":1,"result":\{[^]*completed/)
  })

  verifies('rounds:input', 'go on with a call that waits at one of them, wherever its answer lands', async () => {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
    }
    const name = 'every-trigger-elicitation-request'
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name }
    const call = async (at: Booted, key: string, round: object = {}) => {
      const params = { name, arguments: {}, _meta, ...round }
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
      const answer: unknown = await (await at.request('/mcp', { key, headers, body })).json()
      if (!isJsonObject(answer)) throw new Error('no object')
      return isJsonObject(answer['result']) ? answer['result'] : answer
    }
    const asked = await call(here, here.masterKey)
    expect(asked).toMatchObject({ resultType: 'input_required' })
    const { requestState, inputRequests } = asked
    const [input = ''] = Object.keys(inputRequests ?? {})
    // What it leaves out is asked again, there as here.
    const again = await call(there, here.masterKey, { requestState })
    expect(again).toMatchObject({ resultType: 'input_required', inputRequests: { [input]: {} } })
    const inputResponses = { [input]: { action: 'accept', content: { name: 'Ada' } } }
    const done = await call(there, here.masterKey, { requestState: again['requestState'] ?? null, inputResponses })
    expect(JSON.stringify(done)).toContain('Ada')
    await vi.waitFor(async () => {
      const rows = await store.db.select().from(calls).where(eq(calls.publicName, name))
      expect(rows.map(({ outcome }) => outcome)).toEqual(['ok'])
    }, 10_000)
    // Nobody has it any more.
    const late = await call(there, here.masterKey, { requestState: again['requestState'] ?? null, inputResponses })
    expect(JSON.stringify(late)).toContain('is over')
  })

  verifies('mcp:subscriptions', 'keep what a client subscribed to, wherever it listens later', async () => {
    const uri = 'demo://resource/dynamic/text/2'
    const raw = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
    const opened = await here.request('/mcp', { body: { jsonrpc: '2.0', id: 0, method: 'initialize', params: raw } })
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const body = { jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri } }
    expect(await here.json('/mcp', { headers, body })).toMatchObject({ result: {} })
    const reader = (await there.request('/mcp', { headers })).body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const until = async (count: number) => {
      while (text.split(uri).length <= count) text += (await reader?.read())?.value ?? ''
    }
    // Nobody there knows what happened before; then the server tells by itself.
    await until(1)
    const toggle = { name: 'every-toggle-subscriber-updates', arguments: {} }
    await there.json('/mcp', { headers, body: { jsonrpc: '2.0', id: 2, method: 'tools/call', params: toggle } })
    await until(2)
    await reader?.cancel()
  })

  verifies(
    'mcp:replicas',
    'both list within two seconds a server that was added at one of them, and tell their clients of either era',
    async () => {
      await using late = await listenAt(there)
      const clients = [await connect(() => here), await connect(() => there)]
      const heard = clients.map(({ client }) => {
        const told = vi.fn()
        client.setNotificationHandler(ToolListChangedNotificationSchema, told)
        return told
      })
      const body = { server_name: 'added', url: http.url, transport: 'http' }
      expect((await here.request('/v1/mcp/server', { body })).status).toBeLessThan(300)
      await withinBound(async () => {
        for (const client of [...clients, late]) expect(await namesAt(client)).toContain('added-echo')
        for (const told of [...heard, late.told]) expect(told).toHaveBeenCalled()
      })
      for (const { client } of clients) await client.close()
    },
  )

  verifies('mcp:replicas', 'both tell their clients of a tool that a server added by itself', async () => {
    await using near = await listenAt(here)
    await using far = await listenAt(there)
    await vi.waitFor(async () => expect(await namesAt(far)).toContain('changing-test_trigger_tool_change'), 10_000)
    expect(await namesAt(far)).not.toContain('changing-test_dynamic_tool')
    await near.client.callTool({ name: 'changing-test_trigger_tool_change', arguments: {} })
    await withinBound(async () => {
      for (const { told } of [near, far]) expect(told).toHaveBeenCalled()
      expect(await namesAt(far)).toContain('changing-test_dynamic_tool')
    })
  })

  verifies('toolsets:grants', 'hold at both within two seconds as they were changed at one of them', async () => {
    const { json } = here
    const every = (...names: string[]) => names.map((tool_name) => ({ server_id: 'every', tool_name }))
    const body = { toolset_name: 'shared', tools: every('echo') }
    const { toolset_id } = await json('/v1/mcp/toolset', { body, status: 201 })
    const key = await here.makeKey({ object_permission: { mcp_toolsets: ['shared'] } })
    await using far = await listenAt(there, key)
    expect(await namesAt(far)).toEqual(['every-echo'])
    await json('/v1/mcp/toolset', {
      method: 'PUT',
      body: { toolset_id, tools: every('echo', 'get-sum') },
      status: 202,
    })
    await withinBound(async () => expect(await namesAt(far)).toEqual(['every-echo', 'every-get-sum']))
    const call = () => far.client.callTool({ name: 'every-get-sum', arguments: { a: 2, b: 3 } })
    expect(JSON.stringify(await call())).toContain('5')
    await here.request(`/v1/mcp/toolset/${String(toolset_id)}`, { method: 'DELETE' })
    await withinBound(() => expect(call()).rejects.toThrow('Unknown tool'))
  })
})
