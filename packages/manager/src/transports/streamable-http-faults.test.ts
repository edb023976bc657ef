import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { Secret, silentPeer } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import {
  type RawAnswer,
  type RawMcpServer,
  type RawRequest,
  rawSessionId,
  resultFor,
  startRawMcpServer,
  startSilentPort,
} from '@toolgate/testing/mcp-raw'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { bearerOf } from '../fake-world.fixture.ts'
import { type Connection, SessionExpired } from '../upstream/connection.ts'
import { callOf, connected, connectRequestOf, quickTimeouts, transportOf } from './connecting.fixture.ts'

/** A raw server that answers `tools/call` as told and everything else well, and a connection to it. */
async function reach(
  onCall: (request: RawRequest) => RawAnswer | undefined,
  options: Parameters<typeof transportOf>[2] = {},
): Promise<{ server: RawMcpServer; connection: Connection }> {
  const server = await startRawMcpServer((request) =>
    request.message['method'] === 'tools/call' ? onCall(request) : undefined,
  )
  const http = transportOf('http', { url: server.url }, options)
  const connection = await connected(http)
  onTestFinished(async () => {
    await connection.close()
    await http[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, connection }
}

const html = { headers: { 'content-type': 'text/html' }, body: '<h1>secret page</h1>' }

describe('what goes upstream', () => {
  it('is the credential and the protocol headers, which win, and nothing else', async () => {
    const { server, connection } = await reach(() => undefined)
    const headers = new Map([
      ['x-api-key', new Secret('key')],
      ['accept', new Secret('text/html')],
      ['mcp-session-id', new Secret('stolen')],
    ])
    await connection.request(callOf('echo', { headers }))
    const {
      host: _host,
      connection: _connection,
      'content-length': _length,
      ...sent
    } = server.received('tools/call')[0]?.headers ?? {}
    expect(sent).toEqual({
      'x-api-key': 'key',
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': rawSessionId,
    })
  })

  it('is what the caller sent, unknown fields included, and the result comes back the same way', async () => {
    const result = { content: [{ type: 'hologram', x: 1 }], structuredContent: [1], _meta: { a: null }, more: true }
    const { server, connection } = await reach((request) => ({ body: resultFor(request, result) }))
    const params = { name: 'echo', arguments: { deep: [{ a: 1 }] }, _meta: { trace: 'x' }, later: 1 }
    expect(await connection.request(callOf('echo', { params }))).toEqual(result)
    expect(server.received('tools/call')[0]?.message['params']).toEqual(params)
  })
})

describe('an answer that is no answer names server and stage', () => {
  it.each<[string, (request: RawRequest) => RawAnswer, object]>([
    [
      '401',
      () => ({ status: 401, headers: { 'www-authenticate': 'Bearer x' } }),
      { code: 'UPSTREAM_CREDENTIAL_REJECTED', details: { challenge: 'Bearer x' } },
    ],
    ['403', () => ({ status: 403 }), { code: 'UPSTREAM_CREDENTIAL_REJECTED' }],
    ['a 500 that is a page', () => ({ status: 500, ...html }), { code: 'UPSTREAM_PROTOCOL' }],
    [
      'a 400 that is a JSON-RPC error',
      ({ message }) => ({
        status: 400,
        body: { jsonrpc: '2.0', id: message['id'], error: { code: -32602, message: 'bad' } },
      }),
      { code: 'UPSTREAM_ERROR', details: { upstream: { code: -32602, message: 'bad' } } },
    ],
    [
      'an error without id',
      () => ({ body: { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'what?' } } }),
      { code: 'UPSTREAM_ERROR' },
    ],
    [
      'a malformed error',
      ({ message }) => ({ body: { jsonrpc: '2.0', id: message['id'], error: 'no' } }),
      { code: 'UPSTREAM_PROTOCOL' },
    ],
    ['a page', () => html, { code: 'UPSTREAM_PROTOCOL' }],
    [
      'no JSON',
      () => ({ headers: { 'content-type': 'application/json' }, body: 'secret page' }),
      { code: 'UPSTREAM_PROTOCOL' },
    ],
    ['202', () => ({ status: 202 }), { code: 'UPSTREAM_PROTOCOL' }],
    ['another id', () => ({ body: { jsonrpc: '2.0', id: 4711, result: {} } }), { code: 'UPSTREAM_PROTOCOL' }],
    [
      'a result that is a list',
      ({ message }) => ({ body: { jsonrpc: '2.0', id: message['id'], result: [] } }),
      { code: 'UPSTREAM_PROTOCOL' },
    ],
    [
      'a stream that ends early',
      () => ({ events: [{ jsonrpc: '2.0', method: 'notifications/message', params: {} }] }),
      { code: 'UPSTREAM_UNREACHABLE' },
    ],
    ['a stream of garbage', () => ({ events: ['data: {secret page\n\n'] }), { code: 'UPSTREAM_PROTOCOL' }],
    ['a cut connection', () => 'drop', { code: 'UPSTREAM_UNREACHABLE' }],
    [
      'a redirect to elsewhere',
      () => ({ status: 307, headers: { location: 'http://127.0.0.1:1/' } }),
      { code: 'UPSTREAM_PROTOCOL' },
    ],
  ])('%s', async (_name, answer, expected) => {
    const { connection } = await reach(answer)
    const failure = await connection.request(callOf('echo')).catch((error: unknown) => error)
    expect(failure).toMatchObject(expected)
    expect(failure).toMatchObject({ details: { server: 'github', stage: 'call' } })
    expect(String(failure)).toContain('"github"')
    expect(String(failure)).not.toContain('secret page')
    expect(connection.open).toBe(true)
  })

  it('a batch of one, as 2025-03-26 allows, is an answer', async () => {
    const { connection } = await reach((request) => ({ body: [resultFor(request, { ok: true })] }))
    expect(await connection.request(callOf('echo'))).toEqual({ ok: true })
  })
})

describe('a session that is gone', () => {
  it.each<[string, RawAnswer]>([
    ['404', { status: 404 }],
    [
      'the 400 of servers that say it in words',
      { status: 400, body: { jsonrpc: '2.0', error: { code: -32000, message: 'No valid session ID provided' } } },
    ],
  ])('is told apart from every other failure: %s', async (_name, answer) => {
    const { connection } = await reach(() => answer)
    await expect(connection.request(callOf('echo'))).rejects.toBeInstanceOf(SessionExpired)
    expect(connection.open).toBe(false)
  })
})

describe('time', () => {
  it('runs out when nothing is heard, names how long it was, frees the socket and tells the server', async () => {
    const clock = fakeClock()
    const { server, connection } = await reach(() => 'hang', { clock })
    const call = connection.request(callOf('echo', { idleTimeoutMs: 700 }))
    await vi.waitUntil(() => server.received('tools/call').length === 1)
    clock.advance(700)
    await expect(call).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT', message: expect.stringContaining('700 ms') })
    expect(await server.received('tools/call')[0]?.closed).toBe('abandoned')
    await vi.waitUntil(() => server.received('notifications/cancelled').length === 1)
    expect(server.received('notifications/cancelled')[0]?.message['params']).toMatchObject({
      requestId: server.received('tools/call')[0]?.message['id'],
    })
    expect(clock.pending).toBe(0)
  })

  it('starts anew with progress, but the total does not', async () => {
    const clock = fakeClock()
    const beat = Promise.withResolvers<void>()
    const heartbeat = async function* ({ message }: RawRequest) {
      await beat.promise
      yield {
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: message['id'], progress: 1 },
      }
      await new Promise(() => {})
    }
    const { connection } = await reach((request) => ({ events: heartbeat(request) }), { clock })
    const notified = Promise.withResolvers<void>()
    const peer = { ...silentPeer, notify: () => notified.resolve() }
    const params = { name: 'echo', _meta: { progressToken: 'mine' } }
    const call = connection.request(callOf('echo', { params, peer, idleTimeoutMs: 1_000, totalTimeoutMs: 1_500 }))
    clock.advance(900)
    beat.resolve()
    await notified.promise
    clock.advance(600)
    await expect(call).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT', message: expect.stringContaining('1500 ms') })
  })

  it('of the total runs out whatever the progress', async () => {
    const clock = fakeClock()
    const { server, connection } = await reach(() => 'hang', { clock })
    const call = connection.request(callOf('echo', { idleTimeoutMs: 10_000, totalTimeoutMs: 1_500 }))
    await vi.waitUntil(() => server.received('tools/call').length === 1)
    clock.advance(1_500)
    await expect(call).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT', message: expect.stringContaining('1500 ms') })
  })

  it('does not run while the caller is being asked', async () => {
    const clock = fakeClock()
    const server = await startRawMcpServer(({ message }) =>
      message['method'] === 'tools/call'
        ? {
            events: (async function* () {
              yield { jsonrpc: '2.0', id: 'q1', method: 'elicitation/create', params: { message: 'Sure?' } }
              await vi.waitUntil(() => server.requests.some(({ message: sent }) => sent['id'] === 'q1'))
              yield resultFor({ message }, { done: true })
            })(),
          }
        : undefined,
    )
    await using _server = server
    await using http = transportOf('http', { url: server.url }, { clock })
    await using connection = await connected(http, { clientCapabilities: { elicitation: {} }, exclusive: true })
    const asked = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<{ action: string }>()
    const request = () => {
      asked.resolve()
      return answered.promise
    }
    const peer = { capabilities: {}, notify() {}, request }
    const call = connection.request(callOf('echo', { peer, idleTimeoutMs: 1_000, totalTimeoutMs: 60_000 }))
    await asked.promise
    clock.advance(30_000)
    answered.resolve({ action: 'accept' })
    expect(await call).toEqual({ done: true })
  })
})

describe('a caller that leaves', () => {
  it('frees the socket at once and gets no result', async () => {
    const { server, connection } = await reach(() => 'hang')
    const leaving = new AbortController()
    const call = connection.request(callOf('echo', { signal: leaving.signal }))
    await vi.waitUntil(() => server.received('tools/call').length === 1)
    leaving.abort()
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await server.received('tools/call')[0]?.closed).toBe('abandoned')
  })

  it('before the call sends nothing', async () => {
    const { server, connection } = await reach(() => undefined)
    await expect(connection.request(callOf('echo', { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    expect(server.received('tools/call')).toEqual([])
  })
})

describe('connecting', () => {
  const attempt = async (url: string, overrides: Parameters<typeof connectRequestOf>[0] = {}) => {
    await using http = transportOf('http', { url })
    return await http.connect(connectRequestOf(overrides)).catch((error: unknown) => error)
  }
  const impatient = { server: { ...connectRequestOf().server, timeouts: { ...quickTimeouts, handshakeMs: 200 } } }

  it('to a port that never takes the connection ends in the connect stage', async () => {
    await using port = await startSilentPort()
    expect(await attempt(port.url)).toMatchObject({
      code: 'UPSTREAM_TIMEOUT',
      details: { server: 'github', stage: 'connect' },
    })
  })

  it('to a closed port is unreachable, in the connect stage', async () => {
    const closed = createServer()
    const port = await new Promise<number>((resolve) =>
      closed.listen(0, '127.0.0.1', () => {
        const address = closed.address()
        closed.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
      }),
    )
    expect(await attempt(`http://127.0.0.1:${port}/mcp`)).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      details: { server: 'github', stage: 'connect' },
    })
  })

  it('to a server that never answers initialize ends within the handshake bound', async () => {
    await using server = await startRawMcpServer(() => 'hang')
    expect(await attempt(server.url, impatient)).toMatchObject({
      code: 'UPSTREAM_TIMEOUT',
      details: { server: 'github', stage: 'handshake' },
    })
  })

  it('to a server that never takes the initialized notification ends the session it had opened', async () => {
    await using server = await startRawMcpServer(({ message }) =>
      message['method'] === 'notifications/initialized' ? 'hang' : undefined,
    )
    expect(await attempt(server.url, impatient)).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
  })

  it('refuses a protocol version that it does not speak, and ends the session', async () => {
    await using server = await startRawMcpServer((request) =>
      request.message['method'] === 'initialize'
        ? { headers: { 'mcp-session-id': 's' }, body: resultFor(request, { protocolVersion: '1999-01-01' }) }
        : undefined,
    )
    await using http = transportOf('http', { url: server.url })
    await expect(http.connect(connectRequestOf())).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' })
    await vi.waitUntil(() => server.requests.some(({ method }) => method === 'DELETE'))
  })

  it('keeps the credential out of every error', async () => {
    await using server = await startRawMcpServer(({ raw }) => ({ status: 500, body: raw }))
    const failure = await attempt(server.url, { credential: bearerOf('canary-token') })
    expect(inspect(failure)).toContain('[redacted]')
    expect(inspect(failure)).not.toContain('canary')
    expect(server.requests[0]?.raw).toContain('canary-token')
  })
})

describe('a server that speaks first', () => {
  it('on its listening stream is answered with the credential of the session', async () => {
    await using server = await startRawMcpServer(({ method }) =>
      method === 'GET' ? { events: [{ jsonrpc: '2.0', id: 'alive?', method: 'ping' }] } : undefined,
    )
    await using http = transportOf('http', { url: server.url })
    await using _ = await connected(http, { credential: bearerOf('opener') })
    const answers = () => server.requests.filter(({ message }) => message['id'] === 'alive?')
    await vi.waitUntil(() => answers().length > 0)
    expect(answers()[0]).toMatchObject({ message: { result: {} }, headers: { authorization: 'Bearer opener' } })
  })

  it('finds nobody on a listening stream once it said 405, and is asked once', async () => {
    await using server = await startRawMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    await vi.waitUntil(() => server.requests.some(({ method }) => method === 'GET'))
    await connection.request(callOf('echo'))
    expect(server.requests.filter(({ method }) => method === 'GET')).toHaveLength(1)
  })
})

describe('bounds', () => {
  it('returns the socket of an event stream to the pool instead of cutting it', async () => {
    const endingLater = async function* (request: RawRequest) {
      yield resultFor(request, { ok: true })
      // Turns of the event loop: the client has read the response before the stream ends.
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    }
    const { server, connection } = await reach((request) => ({ events: endingLater(request) }))
    for (let call = 0; call < 20; call += 1) await connection.request(callOf('echo'))
    const sockets = new Set(server.received('tools/call').map(({ port }) => port))
    expect(sockets.size).toBeLessThan(10)
  })
})
