import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { isJsonObject } from '@toolgate/core'
import { everythingStdio, startEverything } from '@toolgate/testing/mcp-everything'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const address = new URL('http://gateway.test/mcp')
const everything = (options: object) => ({ allow_elicitation: true, allow_sampling: true, ...options })

let gateway: Booted
let http: Awaited<ReturnType<typeof startEverything>>
let told: RawMcpServer
beforeAll(async () => {
  http = await startEverything()
  told = await startTold()
  gateway = await boot({
    config: {
      mcp_servers: {
        stdio: everything(everythingStdio),
        http: everything({ url: http.url }),
        told: { url: told.url, isolation: 'session' },
        shared: { url: told.url, isolation: 'principal' },
      },
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await http[Symbol.asyncDispose]()
  await told[Symbol.asyncDispose]()
})

/** Opens another session for each handshake, and logs. */
function startTold(): Promise<RawMcpServer> {
  let sessions = 0
  return startRawMcpServer((request) => {
    const { method } = request.message
    if (method === 'logging/setLevel') return { body: resultFor(request, {}) }
    if (method !== 'initialize') return undefined
    sessions += 1
    const handshake = { protocolVersion: '2025-11-25', capabilities: { tools: {}, logging: {} }, serverInfo: {} }
    return { headers: { 'mcp-session-id': `told-${sessions}` }, body: resultFor(request, handshake) }
  })
}

/** The official client of the legacy line, over the gateway in this process. */
async function connectV1(at: Booted, { path = '/mcp', key = at.masterKey, capabilities = {} } = {}) {
  const requestInit = { headers: { 'x-litellm-api-key': key } }
  const transport = new StreamableHTTPClientTransport(new URL(path, address), { fetch: at.fetch, requestInit })
  const client = new Client({ name: 'legacy', version: '1' }, { capabilities })
  await client.connect(transport)
  return { client, transport, [Symbol.asyncDispose]: () => client.close() }
}

async function connectV2(at: Booted, { path = '/mcp' } = {}) {
  const requestInit = { headers: { 'x-litellm-api-key': at.masterKey } }
  const transport = new Transport2(new URL(path, address), { fetch: at.fetch, requestInit })
  const client = new Client2({ name: 'current', version: '1' }, { capabilities: {} })
  await client.connect(transport)
  return { client, transport, [Symbol.asyncDispose]: () => client.close() }
}

const textOf = (result: unknown) => JSON.stringify(isJsonObject(result) ? result['content'] : result)

describe('the official clients', () => {
  for (const server of ['stdio', 'http']) {
    verifies('mcp:sessions', `of both lines use ${server} through the aggregate and alone`, async () => {
      for (const connect of [connectV1, connectV2]) {
        for (const { path, prefix } of [
          { path: '/mcp', prefix: `${server}-` },
          { path: `/${server}/mcp`, prefix: '' },
        ]) {
          await using session = await connect(gateway, { path })
          const { client, transport } = session
          expect(transport.sessionId).toMatch(/^session_/)
          const names = (await client.listTools()).tools.map(({ name }) => name)
          expect(names).toContain(`${prefix}echo`)
          const echo = await client.callTool({ name: `${prefix}echo`, arguments: { message: 'hi' } })
          expect(textOf(echo)).toContain('Echo: hi')
          expect((await client.listPrompts()).prompts.map(({ name }) => name)).toContain(`${prefix}simple-prompt`)
          const prompt = await client.getPrompt({ name: `${prefix}args-prompt`, arguments: { city: 'Rome' } })
          expect(JSON.stringify(prompt)).toContain('Rome')
          await client.ping()
          await client.setLoggingLevel('error')
        }
      }
    })

    verifies('mcp:sessions', `hear the progress of a call at ${server}, on its own stream`, async () => {
      await using session = await connectV1(gateway)
      const heard: unknown[] = []
      const result = await session.client.callTool(
        { name: `${server}-trigger-long-running-operation`, arguments: { duration: 0.2, steps: 2 } },
        undefined,
        { onprogress: (progress) => void heard.push(progress) },
      )
      expect(textOf(result)).toContain('completed')
      expect(heard).toMatchObject([
        { progress: 1, total: 2 },
        { progress: 2, total: 2 },
      ])
    })

    verifies('mcp:way-back', `answer what ${server} asks of the very client whose call it is`, async () => {
      const person = async (name: string) => {
        const session = await connectV1(gateway, { capabilities: { elicitation: {}, sampling: {}, roots: {} } })
        session.client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name } }))
        session.client.setRequestHandler(CreateMessageRequestSchema, async () => ({
          model: 'm',
          role: 'assistant',
          content: { type: 'text', text: `said by ${name}` },
        }))
        session.client.setRequestHandler(ListRootsRequestSchema, async () => ({
          roots: [{ uri: `file:///home/${name}`, name }],
        }))
        return session
      }
      await using ann = await person('Ann')
      await using bob = await person('Bob')
      const ask = async ({ client }: Pick<typeof ann, 'client'>, tool: string, args = {}) =>
        textOf(await client.callTool({ name: `${server}-${tool}`, arguments: args }))
      const answers = await Promise.all([
        ask(ann, 'trigger-elicitation-request'),
        ask(bob, 'trigger-elicitation-request'),
        ask(ann, 'trigger-sampling-request', { prompt: 'x', maxTokens: 5 }),
        ask(bob, 'trigger-sampling-request', { prompt: 'x', maxTokens: 5 }),
        ask(bob, 'get-roots-list'),
      ])
      expect(answers.map((answer) => [answer.includes('Ann'), answer.includes('Bob')])).toEqual([
        [true, false],
        [false, true],
        [true, false],
        [false, true],
        [false, true],
      ])
    })
  }

  verifies('mcp:cancel', 'cancel a call, and the upstream hears of it', async () => {
    await using session = await connectV1(gateway)
    const leaving = new AbortController()
    const call = session.client.callTool(
      { name: 'http-trigger-long-running-operation', arguments: { duration: 30, steps: 300 } },
      undefined,
      { signal: leaving.signal, onprogress: () => leaving.abort('enough') },
    )
    await expect(call).rejects.toThrow('enough')
    // The session goes on.
    expect(textOf(await session.client.callTool({ name: 'http-echo', arguments: { message: 'on' } }))).toContain('on')
  })

  verifies('mcp:logging', 'hear what a server logs during a call, from the level they want', async () => {
    await using session = await connectV1(gateway)
    const heard: string[] = []
    session.client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void heard.push(params.level),
    )
    await session.client.setLoggingLevel('debug')
    await session.client.callTool({ name: 'http-toggle-simulated-logging', arguments: {} })
    await session.client.callTool({ name: 'http-toggle-simulated-logging', arguments: {} })
  })
})

describe('what a client says to all its servers', () => {
  const capabilities = { roots: { listChanged: true } }
  const callBoth = async ({ client }: Awaited<ReturnType<typeof connectV1>>) => {
    for (const name of ['told-echo', 'shared-echo']) await client.callTool({ name, arguments: {} })
  }
  /** By the sessions that were told. */
  const heard = (method: string) =>
    told.received(method).map(({ headers, message }) => [headers['mcp-session-id'], message['params']])

  verifies('mcp:logging', 'is the level that it wants, where the server keeps a session for it alone', async () => {
    await using ann = await connectV1(gateway, { capabilities })
    await using bob = await connectV1(gateway, { capabilities })
    await ann.client.setLoggingLevel('warning')
    await callBoth(ann)
    await callBoth(bob)
    const [[own] = []] = heard('logging/setLevel')
    expect(heard('logging/setLevel')).toEqual([[own, { level: 'warning' }]])
    // A connection that there is hears at once of another level, and once.
    await ann.client.setLoggingLevel('debug')
    await vi.waitFor(() => expect(heard('logging/setLevel')).toHaveLength(2))
    await callBoth(ann)
    expect(heard('logging/setLevel')[1]).toEqual([own, { level: 'debug' }])
    await bob.client.setLoggingLevel('error')
    await vi.waitFor(() => expect(heard('logging/setLevel')).toHaveLength(3))
    const [[others, third] = []] = heard('logging/setLevel').slice(2)
    expect([others === own, third]).toEqual([false, { level: 'error' }])
  })

  verifies('mcp:way-back', 'is that its roots are others', async () => {
    await using ann = await connectV1(gateway, { capabilities })
    await using bob = await connectV1(gateway, { capabilities })
    await callBoth(bob)
    await callBoth(ann)
    const own = told.received('tools/call').at(-2)?.headers['mcp-session-id']
    expect(heard('notifications/roots/list_changed')).toEqual([])
    await ann.client.sendRootsListChanged()
    await vi.waitFor(() => expect(heard('notifications/roots/list_changed')).not.toEqual([]))
    expect(heard('notifications/roots/list_changed')).toEqual([[own, undefined]])
  })
})

describe('a session', () => {
  const send = (
    at: Booted,
    id: string | null,
    { key = at.masterKey, ...body }: { key?: string; method: string; id: unknown; params?: object },
  ) =>
    at.request('/mcp', { key, body: { jsonrpc: '2.0', ...body }, headers: id === null ? {} : { 'mcp-session-id': id } })
  const open = async (at: Booted, key = at.masterKey) => {
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
    const response = await send(at, null, { id: 0, method: 'initialize', params, key })
    await response.body?.cancel()
    return { id: response.headers.get('mcp-session-id') ?? '', status: response.status }
  }
  const ping = async (at: Booted, id: string, key = at.masterKey) =>
    (await send(at, id, { id: 1, method: 'ping', key })).status

  verifies('mcp:session-owner', 'is its owner’s alone, and gone once it is ended', async () => {
    const { id } = await open(gateway)
    expect(await ping(gateway, id)).toBe(200)
    const stranger = await gateway.makeKey({ object_permission: { mcp_servers: ['stdio'] } })
    const refused = await send(gateway, id, { id: 1, method: 'ping', key: stranger })
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: 'Forbidden', details: 'mcp-session-id is bound to a different caller.' },
    ])
    for (const method of ['GET', 'DELETE']) {
      const response = await gateway.request('/mcp', { method, key: stranger, headers: { 'mcp-session-id': id } })
      expect([method, response.status]).toEqual([method, 403])
    }
    const end = () => gateway.request('/mcp', { method: 'DELETE', headers: { 'mcp-session-id': id } })
    expect((await end()).status).toBe(200)
    expect([await ping(gateway, id), (await end()).status, await ping(gateway, 'session_of_nobody')]).toEqual([
      404, 404, 404,
    ])
  })

  verifies('mcp:session-cap', 'makes room for the next where it is idle, and only then', async () => {
    await using capped = await boot({ env: { LITELLM_MCP_MAX_STATEFUL_SESSIONS_PER_OWNER: '3' } })
    const opened = [await open(capped), await open(capped), await open(capped)].map(({ id }) => id)
    const [oldest = '', second = '', third = ''] = opened
    const listen = (id: string) => capped.request('/mcp', { headers: { 'mcp-session-id': id } })
    const streams = [await listen(oldest)]
    const { id: fourth } = await open(capped)
    // The oldest is listened to, so the second went.
    expect(await Promise.all([oldest, second, third, fourth].map((id) => ping(capped, id)))).toEqual([
      200, 404, 200, 200,
    ])
    for (const id of [third, fourth]) streams.push(await listen(id))
    const refused = await send(capped, null, { id: 0, method: 'initialize', params: {} })
    expect([refused.status, await refused.json()]).toEqual([
      429,
      { error: 'Too Many Requests', details: 'Too many active MCP sessions for this caller.' },
    ])
    // Somebody else is not concerned.
    const other = await capped.makeKey({ object_permission: { mcp_servers: ['*'] } })
    expect((await open(capped, other)).status).toBe(200)
    for (const stream of streams) await stream.body?.cancel()
    expect((await open(capped)).status).toBe(200)
  })

  verifies('mcp:stateless', 'is not needed: without one, and without a version, everything else works', async () => {
    const call = { id: 'a', method: 'tools/call', params: { name: 'stdio-echo', arguments: { message: 'hi' } } }
    expect(await (await send(gateway, null, call)).json()).toMatchObject({
      id: 'a',
      result: { content: [{ text: 'Echo: hi' }] },
    })
    const get = await gateway.request('/mcp')
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const long = {
      id: 1,
      method: 'tools/call',
      params: {
        name: 'http-trigger-long-running-operation',
        arguments: { duration: 0.1, steps: 1 },
        _meta: { progressToken: 'p' },
      },
    }
    const streamed = await send(gateway, null, long)
    expect(streamed.headers.get('content-type')).toBe('text/event-stream')
    expect(await streamed.text()).toMatch(/"progressToken":"p"[^]*"id":1,"result"/)
  })

  verifies('mcp:news', 'hears once that lists changed, also on a stream that it opens later', async () => {
    const config = { mcp_servers: { one: { url: http.url } } }
    await using changing = await boot({ config })
    await using session = await connectV1(changing)
    const heard = vi.fn()
    session.client.setNotificationHandler(ToolListChangedNotificationSchema, heard)
    await changing.reload({ mcp_servers: { ...config.mcp_servers, two: { url: http.url } } })
    await vi.waitFor(() => expect(heard).toHaveBeenCalled(), { timeout: 10_000 })
    expect((await session.client.listTools()).tools.map(({ name }) => name)).toContain('two-echo')
  })
})
