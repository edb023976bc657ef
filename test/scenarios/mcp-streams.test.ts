import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { isJsonObject, type NewId, randomId } from '@toolgate/core'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { startEverything } from '@toolgate/testing/mcp-everything'
import { startMcpServer, type SdkMcpServer } from '@toolgate/testing/mcp-server'
import { type RawMcpServer, type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

let gateway: Booted
let http: Awaited<ReturnType<typeof startEverything>>
let forgetful: Awaited<ReturnType<typeof startForgetful>>
let asking: SdkMcpServer
beforeAll(async () => {
  http = await startEverything()
  forgetful = await startForgetful()
  asking = await startMcpServer()
  const servers = {
    every: { url: http.url },
    forgetful: { url: forgetful.server.url },
    asking: { url: asking.url, allow_elicitation: true },
  }
  gateway = await boot({ config: { mcp_servers: servers } })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await asking[Symbol.asyncDispose]()
  await http[Symbol.asyncDispose]()
  await forgetful.server[Symbol.asyncDispose]()
})

function stepOf({ message: { params } }: RawRequest): object {
  const meta = isJsonObject(params) && isJsonObject(params['_meta']) ? params['_meta'] : {}
  const { progressToken = null } = meta
  return { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1 } }
}

/** One step, and then nothing any more. */
async function* progressOf(request: RawRequest): AsyncGenerator<object> {
  yield stepOf(request)
  await new Promise(() => {})
}

/** A server with one resource, which forgets its sessions when it is told to. */
async function startForgetful(): Promise<{ readonly server: RawMcpServer; forget(): void }> {
  let life = 1
  const server = await startRawMcpServer((request) => {
    const { method } = request.message
    if (method === 'initialize') {
      const capabilities = { tools: {}, resources: { subscribe: true } }
      const handshake = { protocolVersion: '2025-11-25', capabilities }
      return { headers: { 'mcp-session-id': `life-${life}` }, body: resultFor(request, handshake) }
    }
    if (request.headers['mcp-session-id'] !== `life-${life}`) return { status: 404 }
    if (method === 'tools/list') {
      return { body: resultFor(request, { tools: [{ name: 'stuck', inputSchema: { type: 'object' } }] }) }
    }
    if (method === 'tools/call') return { events: progressOf(request) }
    const resources = [{ uri: 'note://1', name: 'one' }]
    if (method === 'resources/list') return { body: resultFor(request, { resources }) }
    return method === 'resources/subscribe' ? { body: resultFor(request, {}) } : undefined
  })
  return { server, forget: () => void (life += 1) }
}

async function openSession(protocolVersion: string, capabilities: object = {}, at = gateway) {
  const params = { protocolVersion, capabilities, clientInfo: { name: 'raw', version: '1' } }
  const response = await at.request('/mcp', { body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } })
  return response.headers.get('mcp-session-id') ?? ''
}

const longCall = (id: number) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: {
    name: 'every-trigger-long-running-operation',
    arguments: { duration: 0.6, steps: 3 },
    _meta: { progressToken: 'p' },
  },
})

/** Reads until the text of the stream holds `wanted`, and hangs up. */
async function readUntil(response: Response, wanted: string): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) throw new Error('there is no stream')
  let text = ''
  while (!text.includes(wanted)) {
    const { done, value } = await reader.read()
    if (done) break
    text += value
  }
  await reader.cancel()
  return text
}

describe('a stream that breaks during a call', () => {
  verifies(
    'mcp:resume',
    'ends nothing: the client comes back and gets what it missed, once, and the result',
    async () => {
      const session = await openSession('2025-11-25')
      const headers = { 'mcp-session-id': session }
      const first = await readUntil(await gateway.request('/mcp', { headers, body: longCall(1) }), '"progress":1')
      expect(first).toMatch(/^id: stream_\w+\.0\nretry: 1000\ndata: \n\nid: stream_\w+\.1\nevent: message\ndata: /)
      const last = [...first.matchAll(/id: (stream_\w+\.\d+)/g)].at(-1)?.[1] ?? ''
      const resumed = await gateway.request('/mcp', { headers: { ...headers, 'last-event-id': last } })
      expect(resumed.headers.get('content-type')).toBe('text/event-stream')
      const rest = await resumed.text()
      expect([...rest.matchAll(/"progress":(\d)/g)].map(([, step]) => step)).toEqual(['2', '3'])
      expect(rest).toMatch(/"id":1,"result":\{[^]*completed/)
      // Again, from its beginning: it is still there.
      const again = await gateway.request('/mcp', {
        headers: { ...headers, 'last-event-id': last.replace(/\d+$/, '0') },
      })
      expect([...(await again.text()).matchAll(/"progress":(\d)/g)]).toHaveLength(3)
    },
  )

  verifies('mcp:resume', 'is no other session’s to resume, and has no priming in versions without it', async () => {
    const [owner, other] = [await openSession('2025-06-18'), await openSession('2025-06-18')]
    const call = await gateway.request('/mcp', { headers: { 'mcp-session-id': owner }, body: longCall(2) })
    const first = await readUntil(call, '"progress":1')
    expect(first).toMatch(/^: open\n\nid: stream_\w+\.1\n/)
    const [, id = ''] = /id: (stream_\w+\.\d+)/.exec(first) ?? []
    const leaving = new AbortController()
    const stolen = await gateway.request('/mcp', {
      headers: { 'mcp-session-id': other, 'last-event-id': id },
      signal: leaving.signal,
    })
    const mine = await gateway.request('/mcp', { headers: { 'mcp-session-id': owner, 'last-event-id': id } })
    expect(await mine.text()).toContain('"id":2,"result"')
    const reader = stolen.body?.getReader()
    const opening = await reader?.read()
    expect(Buffer.from(opening?.value ?? []).toString()).toBe(': open\n\n')
    await reader?.cancel()
  })
})

describe('a question to the client', () => {
  verifies('mcp:resume', 'is still asked when the stream broke that it came on', async () => {
    const headers = { 'mcp-session-id': await openSession('2025-11-25', { elicitation: {} }) }
    const params = { name: 'asking-confirm', arguments: {} }
    const call = { jsonrpc: '2.0', id: 3, method: 'tools/call', params }
    const leaving = new AbortController()
    const reply = await gateway.request('/mcp', { headers, body: call, signal: leaving.signal })
    const asked = await readUntil(reply, 'elicitation/create')
    leaving.abort()
    const [, question = ''] = /"id":"(gateway_[^"]+)"/.exec(asked) ?? []
    const [, event = ''] = /id: (stream_\w+\.\d+)\nevent/.exec(asked) ?? []
    const answer = { jsonrpc: '2.0', id: question, result: { action: 'accept', content: { sure: true } } }
    expect((await gateway.request('/mcp', { headers, body: answer })).status).toBe(202)
    const resumed = await gateway.request('/mcp', { headers: { ...headers, 'last-event-id': event } })
    expect(await resumed.text()).toMatch(/"id":3,"result":\{.*accept/)
  })
})

describe('a session that takes long to open', () => {
  verifies('mcp:sessions', 'is known to its client all the same', async () => {
    const clock = fakeClock()
    const newId: NewId = (kind) => {
      // As long as a request may take that is answered as a stream then.
      if (kind === 'session') clock.advance(20_000)
      return randomId(kind)
    }
    await using slow = await boot({ clock, newId })
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
    const response = await slow.request('/mcp', {
      body: { jsonrpc: '2.0', id: 0, method: 'initialize', params },
      headers: { accept: 'application/json, text/event-stream' },
    })
    expect(await response.text()).toContain('"id":0,"result":{')
    expect(response.headers.get('mcp-session-id')).toMatch(/^session_/)
  })
})

describe('a client that takes no stream', () => {
  verifies('mcp:way-back', 'cannot be asked during its call, which hears so at once', async () => {
    const session = await openSession('2025-11-25', { elicitation: {} })
    const headers = { 'mcp-session-id': session, accept: 'application/json' }
    const params = { name: 'asking-confirm', arguments: {} }
    const body = { jsonrpc: '2.0', id: 4, method: 'tools/call', params }
    const result = await gateway.json('/mcp', { headers, body })
    expect(JSON.stringify(result)).toMatch(/"id":4.*takes no stream/)
  })
})

describe('streams that are taken up', () => {
  verifies('mcp:resume', 'are bounded in number, and end with their session', async () => {
    const headers = { 'mcp-session-id': await openSession('2025-11-25') }
    const resume = (stream: number) =>
      gateway.request('/mcp', { headers: { ...headers, 'last-event-id': `stream_of${stream}.0` } })
    const ended = new Set<number>()
    for (let stream = 1; stream <= 17; stream += 1) {
      void (await resume(stream)).text().then(() => ended.add(stream))
    }
    await vi.waitFor(() => expect([...ended]).toEqual([17]))
    await gateway.request('/mcp', { method: 'DELETE', headers })
    await vi.waitFor(() => expect(ended.size).toBe(17), 2_000)
  })
})

describe('calls whose streams broke', () => {
  verifies('mcp:resume', 'go on until their client comes back, but not more of one session than a bound', async () => {
    const headers = { 'mcp-session-id': await openSession('2025-11-25') }
    const stuck = (id: number) => ({ ...longCall(id), params: { ...longCall(id).params, name: 'forgetful-stuck' } })
    for (let id = 1; id <= 17; id += 1) {
      await readUntil(await gateway.request('/mcp', { headers, body: stuck(id) }), '"progress":1')
    }
    const calls = forgetful.server.received('tools/call')
    const ended: string[] = []
    for (const { closed } of calls) void closed.then((how) => ended.push(how))
    await vi.waitFor(() => expect(ended).toEqual(['abandoned']))
    expect(await calls.at(-1)?.closed).toBe('abandoned')
    expect(calls).toHaveLength(17)
    await gateway.request('/mcp', { method: 'DELETE', headers })
    await vi.waitFor(() => expect(ended).toHaveLength(17))
  })
})

describe('a resource that a client subscribed to', () => {
  verifies('mcp:subscriptions', 'is news to that client where its server says that it changed', async () => {
    const requestInit = { headers: { 'x-litellm-api-key': gateway.masterKey } }
    const transport = new StreamableHTTPClientTransport(new URL('http://gateway.test/mcp'), {
      fetch: gateway.fetch,
      requestInit,
    })
    const client = new Client({ name: 'legacy', version: '1' }, { capabilities: {} })
    const heard = vi.fn()
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard(params.uri))
    await client.connect(transport)
    expect(client.getServerCapabilities()).toMatchObject({
      resources: { subscribe: true, listChanged: true },
      logging: {},
    })
    const uri = 'demo://resource/dynamic/text/1'
    await client.subscribeResource({ uri })
    await client.callTool({ name: 'every-toggle-subscriber-updates', arguments: {} })
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith(uri), 15_000)
    await client.unsubscribeResource({ uri })
    await client.close()
  })

  verifies('mcp:subscriptions', 'may have changed while its server had forgotten who wants to know', async () => {
    const uri = 'note://1'
    const headers = { 'mcp-session-id': await openSession('2025-11-25') }
    const listening = async (wanted: string) => readUntil(await gateway.request('/mcp', { headers }), wanted)
    const body = { jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri } }
    expect(await gateway.json('/mcp', { headers, body })).toMatchObject({ result: {} })
    forgetful.forget()
    expect(await listening(uri)).toContain('"method":"notifications/resources/updated"')
    expect(forgetful.server.received('resources/subscribe')).toHaveLength(3)
  })
})

describe('a stream', () => {
  verifies('stop:drains', 'to listen on ends also where the gateway leaves while it is being opened', async () => {
    for (const path of ['/mcp', '/sse']) {
      await using leaving = await boot()
      const headers = path === '/mcp' ? { 'mcp-session-id': await openSession('2025-11-25', {}, leaving) } : {}
      const opening = leaving.request(path, { headers })
      leaving.services.lifecycle.enter('draining')
      const stream = await opening
      expect([path, stream.status]).toEqual([path, 200])
      await stream.text()
    }
  })

  verifies(
    'mcp:sessions',
    'that a request has become brings its answer also where the store is away by then',
    async () => {
      await using server = await startRawMcpServer((request) => {
        const { method } = request.message
        const handshake = { protocolVersion: '2025-11-25', capabilities: { resources: { subscribe: true } } }
        if (method === 'initialize') return { body: resultFor(request, handshake) }
        const resources = [{ uri: 'note://1', name: 'one' }]
        if (method === 'resources/list') return { body: resultFor(request, { resources }) }
        return method === 'resources/subscribe' ? { events: [stepOf(request), resultFor(request, {})] } : undefined
      })
      const database = await openTestDatabase()
      await using full = await boot({ config: { mcp_servers: { one: { url: server.url } } }, database })
      const session = { 'mcp-session-id': await openSession('2025-11-25', {}, full) }
      await database.db.execute(sql`create function refuse() returns trigger language plpgsql
      as $$ begin raise 'no more' using errcode = '53100'; end $$`)
      await database.db.execute(sql`create trigger refuse before update on mcp_sessions for each row
      execute function refuse()`)
      const subscribe = (accept: string) => {
        const params = { uri: 'note://1', _meta: { progressToken: 'p' } }
        const body = { jsonrpc: '2.0', id: 7, method: 'resources/subscribe', params }
        return full.request('/mcp/one', { headers: { ...session, accept }, body })
      }
      expect((await subscribe('application/json')).status).toBe(503)
      const streamed = await subscribe('application/json, text/event-stream')
      expect(streamed.headers.get('content-type')).toBe('text/event-stream')
      expect(await streamed.text()).toMatch(/notifications\/progress[^]*"id":7,"error":\{/)
    },
  )
})
