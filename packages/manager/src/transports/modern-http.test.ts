import { isJsonObject, type JsonRpcNotification, silentPeer } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type RawDecision, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { describe, expect, it, vi } from 'vitest'
import { bearerOf } from '../fake-world.fixture.ts'
import { SessionExpired, type UnsolicitedListener } from '../upstream/connection.ts'
import { callOf, connected, connectRequestOf, quickTimeouts, transportOf } from './connecting.fixture.ts'
import { maxCallsInFlight } from './http/http-link.ts'

const modern = { era: 'modern' } as const
const echo = callOf('echo', { params: { name: 'echo', arguments: { message: 'hi' } } })
const hi = { content: [{ type: 'text', text: 'hi' }] }
/** Beside the streams that announcements come over. */
const methodsOf = ({ requests }: SdkMcpServer) =>
  requests.filter(({ method }) => method === 'POST').map(({ rpcMethod }) => rpcMethod)
const callsOf = (server: SdkMcpServer) => methodsOf(server).filter((method) => method !== 'subscriptions/listen')

/** What a server of the modern era says to `server/discover`. */
const discovery = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
}

describe('a server of both eras', () => {
  it.each([
    ['legacy', { version: '2025-11-25', sessionful: true, first: ['initialize', 'notifications/initialized'] }],
    ['modern', { version: '2026-07-28', sessionful: false, first: ['server/discover'] }],
  ] as const)('is spoken to in the %s one where that suits the caller', async (era, { version, sessionful, first }) => {
    await using server = await startMcpServer({ modern: 'beside' })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, { era })
    expect(connection.handshake).toMatchObject({
      protocolVersion: version,
      serverInfo: { name: 'fixture' },
      instructions: 'Use the tools.',
    })
    expect(connection.sessionful).toBe(sessionful)
    expect(await connection.request(echo)).toMatchObject(hi)
    expect(callsOf(server)).toEqual([...first, 'tools/call'])
  })

  it.each(['legacy', 'modern'] as const)(
    'takes calls after any number that ended before they began, %s',
    async (era) => {
      await using server = await startMcpServer({ modern: 'beside' })
      await using http = transportOf('http', { url: server.url })
      await using connection = await connected(http, { era })
      const gone = { ...echo, signal: AbortSignal.abort() }
      const given = Array.from({ length: maxCallsInFlight }, () => connection.request(gone))
      const refusals = await Promise.allSettled(given)
      expect(refusals.every(({ status }) => status === 'rejected')).toBe(true)
      expect(await connection.request(echo)).toMatchObject(hi)
    },
  )

  it('is asked once what it speaks, for every credential', async () => {
    await using server = await startMcpServer({ modern: 'beside' })
    await using http = transportOf('http', { url: server.url })
    const asks = () => methodsOf(server).filter((method) => method === 'server/discover').length
    for (const _ of [1, 2]) await (await http.connect(connectRequestOf(modern))).close()
    expect(asks()).toBe(1)
    expect(http.eraFor?.('modern', { kind: 'shared' })).toBe('modern')
    const own = { kind: 'holder', holder: 'ann' } as const
    expect(http.eraFor?.('modern', own)).toBeUndefined()
    await (await http.connect(connectRequestOf({ ...modern, credential: { ...bearerOf('a'), scope: own } }))).close()
    expect(asks()).toBe(2)
    expect(http.diagnostics?.()).toMatchObject({ era: 'modern', eraSince: expect.any(Number) })
  })
})

describe('which era a server speaks', () => {
  it.each([
    ['legacy', {}, '2025-11-25'],
    ['modern', { modern: 'alone' }, '2026-07-28'],
  ] as const)('is found out whatever suits the caller, where it is the %s one alone', async (era, options, version) => {
    for (const wanted of ['legacy', 'modern'] as const) {
      await using server = await startMcpServer(options)
      await using http = transportOf('http', { url: server.url })
      await using connection = await connected(http, { era: wanted })
      expect(connection.handshake.protocolVersion).toBe(version)
      expect(http.eraFor?.(wanted, { kind: 'shared' })).toBe(era)
      expect(await connection.request(echo)).toMatchObject(hi)
    }
  })

  const onDiscover =
    (answer: ReturnType<RawDecision>): RawDecision =>
    ({ message }) =>
      message['method'] === 'server/discover' ? answer : undefined

  it.each<[string, ReturnType<RawDecision>]>([
    ['an unknown method', { body: { jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'unknown' } } }],
    ['an unknown version', { status: 400, body: { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no' } } }],
    ['a missing page', { status: 404, body: 'nothing here' }],
    ['a page', { status: 200, body: '<html></html>', headers: { 'content-type': 'text/html' } }],
  ])('%s means the legacy one', async (_name, answer) => {
    await using server = await startRawMcpServer(onDiscover(answer))
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    expect(connection.handshake.protocolVersion).toBe('2025-11-25')
  })

  const unsupported = (supported: readonly string[]) => ({
    status: 400,
    body: { jsonrpc: '2.0', id: null, error: { code: -32022, message: 'Unsupported', data: { supported } } },
  })

  it('is not told by a refusal of the very version that the server then offers: it is asked once more', async () => {
    let refusals = 1
    await using server = await startRawMcpServer((request) => {
      if (request.message['method'] !== 'server/discover') return undefined
      return refusals-- > 0 ? unsupported(['2026-07-28']) : { body: resultFor(request, discovery) }
    })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    expect(connection.handshake.protocolVersion).toBe('2026-07-28')
    expect(server.received('initialize')).toEqual([])
  })

  it('is what the server offers where it refuses the newest: an older one that both know, or none', async () => {
    await using server = await startRawMcpServer(onDiscover(unsupported(['2099-01-01', '2025-06-18'])))
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    expect(connection.handshake.protocolVersion).toBe('2025-11-25')
    await using stranger = await startRawMcpServer(onDiscover(unsupported(['2099-01-01'])))
    await using other = transportOf('http', { url: stranger.url })
    await expect(other.connect(connectRequestOf(modern))).rejects.toMatchObject({
      code: 'UPSTREAM_PROTOCOL',
      details: { stage: 'handshake' },
    })
    expect(stranger.received('initialize')).toEqual([])
    await using stubborn = await startRawMcpServer(onDiscover(unsupported(['2026-07-28'])))
    await using third = transportOf('http', { url: stubborn.url })
    await expect(third.connect(connectRequestOf(modern))).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' })
    expect(stubborn.received('server/discover')).toHaveLength(2)
  })

  it.each<[string, ReturnType<RawDecision>, string]>([
    ['a refused credential', { status: 401 }, 'UPSTREAM_CREDENTIAL_REJECTED'],
    ['a forbidden one', { status: 403 }, 'UPSTREAM_CREDENTIAL_REJECTED'],
    ['a failure', { status: 500 }, 'UPSTREAM_PROTOCOL'],
    [
      'a failure in JSON-RPC',
      { status: 500, body: { jsonrpc: '2.0', id: 1, error: { code: -32603, message: 'internal' } } },
      'UPSTREAM_PROTOCOL',
    ],
    ['a server that is not ready', { status: 503 }, 'UPSTREAM_UNREACHABLE'],
    ['a busy one', { status: 429 }, 'UPSTREAM_BUSY'],
    ['a cut connection', 'drop', 'UPSTREAM_UNREACHABLE'],
  ])('%s says nothing about it', async (_name, answer, code) => {
    await using server = await startRawMcpServer(onDiscover(answer))
    await using http = transportOf('http', { url: server.url })
    await expect(http.connect(connectRequestOf(modern))).rejects.toMatchObject({
      code,
      details: { stage: 'handshake' },
    })
    expect(server.received('initialize')).toEqual([])
    expect(http.eraFor?.('modern', { kind: 'shared' })).toBeUndefined()
  })

  it('is not told by silence', async () => {
    await using server = await startRawMcpServer(onDiscover('hang'))
    await using http = transportOf('http', { url: server.url })
    const { server: definition } = connectRequestOf()
    const impatient = { ...definition, timeouts: { ...quickTimeouts, handshakeMs: 100 } }
    const connecting = http.connect(connectRequestOf({ ...modern, server: impatient }))
    await expect(connecting).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT', details: { stage: 'handshake' } })
    expect(server.received('initialize')).toEqual([])
  })

  it('is found out again after an hour, so that a server may learn a new one', async () => {
    const clock = fakeClock()
    await using server = await startRawMcpServer()
    await using http = transportOf('http', { url: server.url }, { clock })
    await (await http.connect(connectRequestOf(modern))).close()
    server.answer((request) =>
      request.message['method'] === 'server/discover' ? { body: resultFor(request, discovery) } : undefined,
    )
    await using before = await connected(http, modern)
    expect(before.handshake.protocolVersion).toBe('2025-11-25')
    clock.advance(60 * 60_000)
    await using after = await connected(http, modern)
    expect(after.handshake.protocolVersion).toBe('2026-07-28')
  })

  it('is found out anew where the server lost the modern one, and the call that noticed may be sent again', async () => {
    await using server = await startRawMcpServer((request) =>
      request.message['method'] === 'server/discover' ? { body: resultFor(request, discovery) } : undefined,
    )
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    server.answer(({ headers }) =>
      headers['mcp-protocol-version'] === '2026-07-28'
        ? { status: 400, body: { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Unsupported version' } } }
        : undefined,
    )
    await expect(connection.request(echo)).rejects.toBeInstanceOf(SessionExpired)
    expect(connection.open).toBe(false)
    await using next = await connected(http, modern)
    expect(next.handshake.protocolVersion).toBe('2025-11-25')
  })
})

describe('a modern request', () => {
  it('says who asks, what the client can do and what it wants to hear, and repeats itself in headers', async () => {
    await using server = await startMcpServer({ modern: 'alone' })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    const clientCapabilities = { elicitation: { form: {} } }
    await connection.request(
      callOf('capabilities', {
        params: { name: 'capabilities', arguments: {}, _meta: { 'vendor/trace': 'kept' } },
        clientCapabilities,
        peer: { ...silentPeer, logLevel: 'warning' },
      }),
    )
    expect(server.requests.at(-1)).toMatchObject({
      body: {
        params: {
          _meta: {
            'vendor/trace': 'kept',
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'gateway-of-tests' },
            'io.modelcontextprotocol/clientCapabilities': clientCapabilities,
            'io.modelcontextprotocol/logLevel': 'warning',
          },
        },
      },
    })
    const { headers } = server.requests.at(-1) ?? {}
    expect(Object.fromEntries(headers ?? [])).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'capabilities',
    })
    expect(headers?.has('mcp-session-id')).toBe(false)
  })

  it('names what no header can carry in base64', async () => {
    await using server = await startMcpServer({ modern: 'alone' })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    await connection.request(callOf('zürich'))
    expect(server.requests.at(-1)?.headers.get('mcp-name')).toBe('=?base64?esO8cmljaA==?=')
  })

  it('carries arguments in headers as the listed schema says', async () => {
    await using server = await startMcpServer({ modern: 'alone' })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    const call = callOf('region', { params: { name: 'region', arguments: { region: 'eu-west' } } })
    await connection.request({ ...call, method: 'tools/list', params: {} })
    expect(await connection.request(call)).toMatchObject({ content: [{ text: 'eu-west' }] })
    expect(server.requests.at(-1)?.headers.get('mcp-param-region')).toBe('eu-west')
  })

  it('whose headers the server misses is sent once more after its tools were read again', async () => {
    const region = { type: 'string', 'x-mcp-header': 'Region' }
    const tools = [{ name: 'region', inputSchema: { type: 'object', properties: { region } } }]
    const mismatch = { jsonrpc: '2.0', id: null, error: { code: -32020, message: 'header missing' } }
    await using server = await startRawMcpServer((request) => {
      const { message, headers } = request
      if (message['method'] === 'server/discover') return { body: resultFor(request, discovery) }
      if (message['method'] === 'tools/list') return { body: resultFor(request, { tools }) }
      return headers['mcp-param-region'] === undefined ? { status: 400, body: mismatch } : undefined
    })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    await connection.request(callOf('', { params: { name: 'region', arguments: { region: 'eu' } } }))
    expect(server.received('tools/call').map(({ headers }) => headers['mcp-param-region'])).toEqual([undefined, 'eu'])
    // Where the schema explains nothing it is the server's answer.
    const other = connection.request(callOf('other'))
    await expect(other).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', details: { upstream: { code: -32020 } } })
    expect(server.received('tools/call')).toHaveLength(3)
  })

  it('reports progress under the token of the caller, and log messages', async () => {
    await using server = await startMcpServer({ modern: 'alone' })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    const heard: JsonRpcNotification[] = []
    const peer = { ...silentPeer, logLevel: 'info', notify: (said: JsonRpcNotification) => void heard.push(said) }
    const params = { name: 'count', arguments: { steps: 2 }, _meta: { progressToken: 'mine' } }
    await connection.request(callOf('', { params, peer }))
    await connection.request(callOf('log', { peer }))
    expect(heard.map(({ method, params: said }) => [method, said?.['progress'] ?? said?.['data']])).toEqual([
      ['notifications/progress', 1],
      ['notifications/progress', 2],
      ['notifications/message', 'something happened'],
    ])
    expect(heard[0]?.params).toMatchObject({ progressToken: 'mine' })
  })

  it('is cancelled by leaving it', async () => {
    await using server = await startRawMcpServer((request) =>
      request.message['method'] === 'server/discover' ? { body: resultFor(request, discovery) } : 'hang',
    )
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    const leaving = new AbortController()
    const call = connection.request(callOf('slow', { signal: leaving.signal })).catch((error: unknown) => error)
    await vi.waitFor(() => expect(server.received('tools/call')).toHaveLength(1))
    leaving.abort()
    expect(await call).toMatchObject({ code: 'CANCELLED' })
    expect(await server.received('tools/call')[0]?.closed).toBe('abandoned')
    expect(server.received('notifications/cancelled')).toEqual([])
  })

  it('that asks for something unknown hears so, and its connection goes on', async () => {
    await using server = await startMcpServer({ modern: 'alone' })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, modern)
    await expect(connection.request(callOf('', { method: 'no/such', params: {} }))).rejects.toMatchObject({
      details: { upstream: { code: -32601 } },
    })
    expect(await connection.request(echo)).toMatchObject(hi)
  })
})

describe('a resource of a modern server', () => {
  const uri = (name: string) => ({ uri: `test://${name}` })
  const subscribing = (name: string) => callOf('', { method: 'resources/subscribe', params: uri(name) })
  const updated = (name: string) => ({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: uri(name) })

  /** Acknowledges what it is asked for, but for `none`; says what `tell` is given, and ends streams with `end`. */
  const startTelling = async () => {
    const streams: { wanted: unknown; say: (event: object) => void; end: () => void }[] = []
    const server = await startRawMcpServer((request) => {
      const capabilities = { resources: { subscribe: true } }
      if (request.message['method'] === 'server/discover') {
        return { body: resultFor(request, { ...discovery, capabilities }) }
      }
      if (request.message['method'] !== 'subscriptions/listen') return undefined
      const { params } = request.message
      const filter = isJsonObject(params) && isJsonObject(params['notifications']) ? params['notifications'] : {}
      const given = filter['resourceSubscriptions']
      const wanted = Array.isArray(given) ? given : []
      const { readable, writable } = new TransformStream<object, object>({}, { highWaterMark: 64 })
      const writer = writable.getWriter()
      const say = (event: object) => void writer.write(event)
      const notifications = { resourceSubscriptions: wanted.filter((one) => one !== 'test://none') }
      say({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications } })
      streams.push({ wanted, say, end: () => void writer.close() })
      return { events: readable }
    })
    return { server, streams, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  }

  it('is subscribed to with one stream for all, and what it says is heard', async () => {
    await using telling = await startTelling()
    await using http = transportOf('http', { url: telling.server.url })
    const onUnsolicited = vi.fn<UnsolicitedListener>()
    await using connection = await connected(http, { ...modern, onUnsolicited })
    expect(await connection.request(subscribing('a'))).toEqual({})
    expect(await connection.request(subscribing('b'))).toEqual({})
    await connection.request(subscribing('a'))
    const { streams, server } = telling
    expect(streams.map(({ wanted }) => wanted)).toEqual([['test://a'], ['test://a', 'test://b']])
    expect(await server.received('subscriptions/listen')[0]?.closed).toBe('abandoned')
    streams[1]?.say(updated('b'))
    await vi.waitFor(() => expect(onUnsolicited).toHaveBeenCalledWith(updated('b')))
    await connection.request({ ...subscribing('a'), method: 'resources/unsubscribe' })
    expect(streams.at(-1)?.wanted).toEqual(['test://b'])
    // What the server does not honour is no subscription.
    await expect(connection.request(subscribing('none'))).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' })
    expect(server.received('resources/subscribe')).toEqual([])
  })

  it('is subscribed to again where the stream ends, and said to have changed meanwhile', async () => {
    const clock = fakeClock()
    await using telling = await startTelling()
    await using http = transportOf('http', { url: telling.server.url }, { clock })
    const onUnsolicited = vi.fn<UnsolicitedListener>()
    await using connection = await connected(http, { ...modern, onUnsolicited })
    await connection.request(subscribing('a'))
    const before = clock.pending
    telling.streams[0]?.end()
    await vi.waitFor(() => expect(clock.pending).toBeGreaterThan(before))
    clock.advance(1_000)
    await vi.waitFor(() => expect(onUnsolicited).toHaveBeenCalledWith(updated('a')))
    expect(telling.streams).toHaveLength(2)
  })
})

describe('what a modern server announces', () => {
  it('is heard over a subscription', async () => {
    await using server = await startMcpServer({ modern: 'alone' })
    await using http = transportOf('http', { url: server.url })
    const onUnsolicited = vi.fn<UnsolicitedListener>()
    await using _ = await connected(http, { ...modern, onUnsolicited })
    await vi.waitFor(() => expect(methodsOf(server)).toContain('subscriptions/listen'))
    await vi.waitFor(async () => {
      await server.announceTools()
      expect(onUnsolicited).toHaveBeenCalled()
    })
    expect(onUnsolicited.mock.calls[0]?.[0]).toMatchObject({ method: 'notifications/tools/list_changed' })
  })

  it('is asked for again when the subscription ends, and not at once', async () => {
    const clock = fakeClock()
    const news = { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} }
    await using server = await startRawMcpServer((request) => {
      const method = request.message['method']
      if (method === 'subscriptions/listen') return { events: [news] }
      const capabilities = { tools: { listChanged: true } }
      return method === 'server/discover' ? { body: resultFor(request, { ...discovery, capabilities }) } : undefined
    })
    await using http = transportOf('http', { url: server.url }, { clock })
    const onUnsolicited = vi.fn<UnsolicitedListener>()
    await using _ = await connected(http, { ...modern, onUnsolicited })
    await vi.waitFor(() => expect(clock.pending).toBe(1))
    expect(server.received('subscriptions/listen')).toHaveLength(1)
    expect(onUnsolicited).toHaveBeenCalledOnce()
    clock.advance(1_000)
    await vi.waitFor(() => expect(onUnsolicited).toHaveBeenCalledTimes(2))
    expect(server.received('subscriptions/listen')[1]?.message).toMatchObject({
      params: { notifications: { toolsListChanged: true } },
    })
  })
})
