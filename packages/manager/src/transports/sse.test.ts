import { Secret } from '@toolgate/core'
import { onPost, onStream, startFaultyLegacyServers } from '@toolgate/testing/mcp-faulty-legacy'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import { bearerOf } from '../fake-world.fixture.ts'
import { SessionExpired } from '../upstream/connection.ts'
import { callOf, connected, connectRequestOf, peerAnswering, quickTimeouts, transportOf } from './connecting.fixture.ts'

describe('legacy SSE against the maintenance SDK', () => {
  it('shakes hands, lists and calls', async () => {
    await using server = await startSseMcpServer()
    await using sse = transportOf('sse', { url: server.url })
    await using connection = await connected(sse)
    expect(connection.handshake).toMatchObject({
      serverInfo: { name: 'legacy-fixture' },
      instructions: 'Use the tools.',
    })
    const listed = await connection.request(callOf('', { method: 'tools/list', params: {} }))
    expect(JSON.stringify(listed)).toContain('"echo"')
    const result = await connection.request(callOf('echo', { params: { name: 'echo', arguments: { message: 'hi' } } }))
    expect(result).toEqual({ content: [{ type: 'text', text: 'hi' }] })
  })

  it('presents the credential of each request with its own message', async () => {
    await using server = await startSseMcpServer()
    await using sse = transportOf('sse', { url: server.url })
    await using connection = await connected(sse, { credential: bearerOf('opener') })
    const as = (token: string) => callOf('whoami', { headers: new Map([['authorization', new Secret(token)]]) })
    const answers = await Promise.all([connection.request(as('ann')), connection.request(as('bob'))])
    expect(answers.map((answer) => JSON.stringify(answer))).toEqual([
      expect.stringContaining('ann'),
      expect.stringContaining('bob'),
    ])
    expect(server.requests[0]).toMatchObject({ method: 'GET', headers: { authorization: 'Bearer opener' } })
  })

  it('reports progress under the token of the caller and asks its peer', async () => {
    await using server = await startSseMcpServer()
    await using sse = transportOf('sse', { url: server.url })
    await using connection = await connected(sse, { clientCapabilities: { elicitation: {} }, exclusive: true })
    const peer = peerAnswering({ action: 'decline' })
    const params = { name: 'count', arguments: { steps: 1 }, _meta: { progressToken: 7.5 } }
    await connection.request(callOf('count', { params, peer }))
    expect(peer.notify).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ params: { progressToken: 7.5, progress: 1, total: 1 } }),
    )
    expect(JSON.stringify(await connection.request(callOf('confirm', { peer })))).toContain('decline')
  })

  it('hears that the tools changed', async () => {
    await using server = await startSseMcpServer()
    await using sse = transportOf('sse', { url: server.url })
    const heard = Promise.withResolvers<string>()
    await using _ = await connected(sse, { onUnsolicited: ({ method }) => heard.resolve(method) })
    await server.announceTools()
    expect(await heard.promise).toBe('notifications/tools/list_changed')
  })

  it('fails what is in flight when the stream breaks', async () => {
    await using server = await startSseMcpServer()
    await using sse = transportOf('sse', { url: server.url })
    await using connection = await connected(sse)
    const call = connection.request(callOf('wait'))
    await vi.waitUntil(() => server.requests.filter(({ method }) => method === 'POST').length === 3)
    server.dropConnections()
    await expect(call).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      details: { server: 'github', stage: 'call' },
    })
    expect(connection.open).toBe(false)
  })

  it('closes the stream when it closes', async () => {
    await using server = await startSseMcpServer()
    await using sse = transportOf('sse', { url: server.url })
    const connection = await connected(sse)
    await connection.close()
    await vi.waitUntil(() => server.openStreams === 0)
    expect(connection.open).toBe(false)
  })
})

describe('a legacy SSE server that fails', () => {
  const endpoint = 'event: endpoint\ndata: /message\n\n'
  const opening = async function* () {
    yield endpoint
    await new Promise(() => {})
  }

  it('at the stream with 401 is a rejected credential, with the challenge', async () => {
    await using server = await startRawMcpServer(() => ({ status: 401, headers: { 'www-authenticate': 'Bearer x' } }))
    await using sse = transportOf('sse', { url: server.url })
    await expect(sse.connect(connectRequestOf())).rejects.toMatchObject({
      code: 'UPSTREAM_CREDENTIAL_REJECTED',
      details: { server: 'github', stage: 'connect', challenge: 'Bearer x' },
    })
  })

  it('by never naming its endpoint ends within the connect bound', async () => {
    await using server = await startRawMcpServer(() => 'hang')
    await using sse = transportOf('sse', { url: server.url })
    const { server: definition } = connectRequestOf()
    const impatient = { ...definition, timeouts: { ...quickTimeouts, connectMs: 100 } }
    await expect(sse.connect(connectRequestOf({ server: impatient }))).rejects.toMatchObject({
      code: 'UPSTREAM_TIMEOUT',
      details: { server: 'github', stage: 'connect' },
    })
    expect(await server.requests[0]?.closed).toBe('abandoned')
  })

  it('by naming an endpoint elsewhere gets no message there', async () => {
    await using thief = await startRawMcpServer()
    await using server = await startRawMcpServer(() => ({ events: [`event: endpoint\ndata: ${thief.url}\n\n`] }))
    await using sse = transportOf('sse', { url: server.url })
    await expect(sse.connect(connectRequestOf({ credential: bearerOf('canary') }))).rejects.toMatchObject({
      details: { server: 'github', stage: 'connect' },
    })
    expect(thief.requests).toEqual([])
  })

  it.each([
    [401, 'UPSTREAM_CREDENTIAL_REJECTED'],
    [500, 'UPSTREAM_PROTOCOL'],
  ])('at a message with %i names the server', async (status, code) => {
    await using server = await startRawMcpServer(({ method }) =>
      method === 'GET' ? { events: opening() } : { status },
    )
    await using sse = transportOf('sse', { url: server.url })
    await expect(sse.connect(connectRequestOf())).rejects.toMatchObject({
      code,
      details: { server: 'github', stage: 'handshake' },
    })
  })

  const hello = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: {} }

  it('by ending its stream is not followed into another session', async () => {
    await using server = await startRawMcpServer(({ method }) =>
      method === 'GET' ? { events: untilInitialized() } : { status: 202 },
    )
    let streams = 0
    const untilInitialized = async function* () {
      const session = streams++
      yield `retry: 1\n${endpoint}`
      await vi.waitUntil(() => server.received('initialize').length > session)
      yield resultFor({ message: server.received('initialize')[session]?.message ?? {} }, hello)
      await vi.waitUntil(() => server.received('notifications/initialized').length > session)
    }
    await using sse = transportOf('sse', { url: server.url })
    const first = await sse.connect(connectRequestOf())
    await vi.waitUntil(() => !first.open)
    await sse.connect(connectRequestOf())
    expect(streams).toBe(2)
  })

  it('by ending its stream during the handshake is unreachable, not cancelled', async () => {
    await using server = await startRawMcpServer(({ method, message }) => {
      if (method === 'GET') return { events: untilAsked() }
      return message['method'] === 'initialize' ? { status: 202 } : 'hang'
    })
    const untilAsked = async function* () {
      yield endpoint
      await vi.waitUntil(() => server.received('initialize').length > 0)
      yield resultFor({ message: server.received('initialize')[0]?.message ?? {} }, hello)
      await vi.waitUntil(() => server.received('notifications/initialized').length > 0)
    }
    await using sse = transportOf('sse', { url: server.url })
    await expect(sse.connect(connectRequestOf())).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      details: { server: 'github', stage: 'handshake' },
    })
  })

  it('at a message with 404 has lost the session', async () => {
    await using server = await startRawMcpServer(({ method }) =>
      method === 'GET' ? { events: opening() } : { status: 404 },
    )
    await using sse = transportOf('sse', { url: server.url })
    await expect(sse.connect(connectRequestOf())).rejects.toBeInstanceOf(SessionExpired)
  })

  /** A server whose stream carries what `answering` makes of each `tools/call`, and whose handshake works. */
  const streaming = async (answering: (id: unknown) => object | string | undefined) => {
    const queue: (object | string)[] = []
    let wake = () => {}
    const stream = async function* () {
      yield endpoint
      for (;;) {
        yield* queue.splice(0)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
    return startRawMcpServer(({ method, message }) => {
      if (method === 'GET') return { events: stream() }
      const answer = message['method'] === 'initialize' ? resultFor({ message }, hello) : answering(message['id'])
      if (answer !== undefined) queue.push(answer)
      wake()
      return { status: 202 }
    })
  }

  it('by answering nothing any more is found out after a call ran out of time, and connected to anew', async () => {
    const clock = fakeClock()
    await using server = await streaming(() => undefined)
    await using sse = transportOf('sse', { url: server.url }, { clock })
    const connection = await sse.connect(connectRequestOf())
    const call = connection.request(callOf('x', { idleTimeoutMs: 1_000 })).catch((error: unknown) => error)
    clock.advance(1_000)
    expect(await call).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
    await vi.waitUntil(() => server.received('ping').length === 1)
    expect(connection.open).toBe(true)
    clock.advance(15_000)
    await vi.waitUntil(() => !connection.open)
    expect(await server.requests[0]?.closed).toBe('abandoned')
    await using next = await connected(sse)
    expect(next.open).toBe(true)
  })

  it('with a message nested too deep fails the call', async () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    await using server = await streaming(
      (id) => `data: {"jsonrpc":"2.0","id":${String(id)},"result":{"a":${deep}}}\n\n`,
    )
    await using sse = transportOf('sse', { url: server.url })
    await using connection = await connected(sse)
    await expect(connection.request(callOf('x', { idleTimeoutMs: 1_000 }))).rejects.toMatchObject({
      code: 'UPSTREAM_PROTOCOL',
      details: { server: 'github', stage: 'call' },
    })
  })
})

describe('a legacy SSE server that takes a message and leaves its sender waiting', () => {
  const nameOf = ({ params }: { params?: unknown }) => Reflect.get(Object(params), 'name')
  /** It never answers the POST of a call; of the tool `told` it tells the result on its stream. */
  const leaving = onPost(({ message, stream }) => {
    if (nameOf(message) === 'told') stream.write(`data: ${JSON.stringify(resultFor({ message }, {}))}\n\n`)
  })

  it('holds no socket for a call that was cancelled', async () => {
    await using servers = await startFaultyLegacyServers()
    await using sse = transportOf('sse', { url: servers.host('leaving', leaving) })
    await using connection = await connected(sse)
    const leave = new AbortController()
    const call = connection.request(callOf('x', { signal: leave.signal })).catch((error: unknown) => error)
    await vi.waitUntil(() => servers.openExchanges('leaving') === 2)
    leave.abort()
    expect(await call).toMatchObject({ code: 'CANCELLED' })
    await vi.waitFor(() => expect(servers.openExchanges('leaving')).toBe(1))
    expect(connection.open).toBe(true)
  })

  it('holds none for one that was answered, nor for what is said beside calls', async () => {
    const clock = fakeClock()
    await using servers = await startFaultyLegacyServers()
    const never = onPost(() => {}, 'notifications/roots/list_changed')
    const take = {
      take: async (posted: Parameters<NonNullable<typeof leaving.take>>[0]) =>
        (await leaving.take?.(posted)) === true || (await never.take?.(posted)) === true,
    }
    await using sse = transportOf('sse', { url: servers.host('leaving', take) }, { clock })
    await using connection = await connected(sse)
    expect(await connection.request(callOf('told'))).toEqual({})
    await vi.waitFor(() => expect(clock.pending).toBe(1))
    clock.advance(1_000)
    await vi.waitFor(() => expect(servers.openExchanges('leaving')).toBe(1))
    const deadline = new AbortController()
    const notification = { jsonrpc: '2.0', method: 'notifications/roots/list_changed' } as const
    const telling = connection.notify(notification, { headers: new Map(), signal: deadline.signal })
    const told = telling.catch((error: unknown) => error)
    await vi.waitUntil(() => servers.openExchanges('leaving') === 2)
    deadline.abort()
    expect(await told).toMatchObject({ code: 'CANCELLED' })
    await vi.waitFor(() => expect(servers.openExchanges('leaving')).toBe(1))
  })
})

describe('a legacy SSE server behind which sessions are lost', () => {
  it('fails what waits once the stream ends, and serves no further call meanwhile', async () => {
    await using servers = await startFaultyLegacyServers()
    const waiting = Promise.withResolvers<{ destroy(): void }>()
    const take = onPost(({ message, response, stream }) => {
      const isLost = Reflect.get(Object(message['params']), 'name') === 'lost'
      response.writeHead(isLost ? 404 : 202).end()
      if (!isLost) waiting.resolve(stream)
    })
    await using sse = transportOf('sse', { url: servers.host('losing', take) })
    await using connection = await connected(sse)
    const waits = connection.request(callOf('waits')).catch((error: unknown) => error)
    const stream = await waiting.promise
    await expect(connection.request(callOf('lost'))).rejects.toBeInstanceOf(SessionExpired)
    expect(connection.open).toBe(false)
    const later = connection.request(callOf('later')).catch((error: unknown) => error)
    stream.destroy()
    expect(await waits).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', details: { server: 'github', stage: 'call' } })
    expect(await later).toBeInstanceOf(SessionExpired)
  })
})

describe('events of a legacy SSE server', () => {
  it('may come in pieces, line by line, as many as it likes', async () => {
    const megabyte = 'x'.repeat(1024 * 1024)
    const news = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: megabyte } }
    const written = (stream: { write(text: string, done: () => void): void }, text: string) =>
      new Promise<void>((resolve) => stream.write(text, resolve))
    await using servers = await startFaultyLegacyServers()
    const take = onStream(async ({ message, stream }) => {
      for (let event = 0; event < 65; event += 1) {
        for (const line of ['event: message\r\n', `data: ${JSON.stringify(news)}\r\n`, '\r\n'])
          await written(stream, line)
      }
      stream.write(`data: ${JSON.stringify(resultFor({ message }, { fine: true }))}\n\n`)
    })
    await using sse = transportOf('sse', { url: servers.host('slicing', take) })
    await using connection = await connected(sse)
    expect(await connection.request(callOf('x', { idleTimeoutMs: 60_000 }))).toEqual({ fine: true })
  }, 60_000)
})
