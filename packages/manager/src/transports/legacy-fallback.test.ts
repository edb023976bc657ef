import { type RawDecision, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { describe, expect, it } from 'vitest'
import { bearerOf } from '../fake-world.fixture.ts'
import { callOf, connected, connectRequestOf, quickTimeouts, transportOf } from './connecting.fixture.ts'

const noSuchStream = { status: 404, body: 'nothing here' }

/** What a POST of `initialize`, and a GET, are answered with. */
function answering(post: ReturnType<RawDecision>, get: ReturnType<RawDecision> = noSuchStream): RawDecision {
  return ({ method, message }) => {
    if (method === 'GET') return get
    return message['method'] === 'initialize' ? post : undefined
  }
}

async function attempt(decide: RawDecision, overrides: Parameters<typeof connectRequestOf>[0] = {}) {
  await using server = await startRawMcpServer(decide)
  await using http = transportOf('http', { url: server.url })
  const failure = await http.connect(connectRequestOf(overrides)).catch((error: unknown) => error)
  // Beside the question which era it speaks, which the server does not know.
  const asked = server.requests.filter(({ message }) => message['method'] !== 'server/discover')
  return { failure, methods: asked.map(({ method }) => method) }
}

describe('a legacy SSE server configured as http', () => {
  it('is spoken to in its way, found out once, and shown as what it is', async () => {
    await using server = await startSseMcpServer()
    await using http = transportOf('http', { url: server.url })
    expect(http.diagnostics?.()).toEqual({ transportInUse: undefined })
    await using connection = await connected(http, { credential: bearerOf('opener') })
    expect(connection.handshake).toMatchObject({ serverInfo: { name: 'legacy-fixture' } })
    const result = await connection.request(callOf('echo', { params: { name: 'echo', arguments: { message: 'hi' } } }))
    expect(result).toEqual({ content: [{ type: 'text', text: 'hi' }] })
    expect(http.diagnostics?.()).toEqual({ transportInUse: 'sse' })
    // The refused POSTs, for both eras, then the stream: the same credential on each.
    expect(server.requests.slice(0, 3)).toMatchObject([
      { method: 'POST', headers: { authorization: 'Bearer opener' } },
      { method: 'POST', headers: { authorization: 'Bearer opener' } },
      { method: 'GET', headers: { authorization: 'Bearer opener' } },
    ])

    const before = server.requests.length
    await using _again = await connected(http)
    expect(server.requests[before]).toMatchObject({ method: 'GET' })
  })

  it.each([400, 404, 405])('is looked for after HTTP status %i', async (status) => {
    const { failure, methods } = await attempt(answering({ status }))
    expect(methods).toEqual(['POST', 'GET'])
    expect(failure).toMatchObject({
      code: 'UPSTREAM_PROTOCOL',
      message: `MCP server "github" speaks neither streamable HTTP (HTTP status ${status}) nor legacy SSE (HTTP status 404).`,
      details: { server: 'github', stage: 'handshake', http_status: status },
    })
  })

  it('that became a streamable one is found out again, in the same attempt', async () => {
    await using legacy = await startSseMcpServer()
    const legacyOrigin = new URL(legacy.url).origin
    const relay: RawDecision = async ({ method, path, raw }) => {
      if (method === 'POST' && path === '/mcp') return { status: 404 }
      if (method === 'GET') return { events: streamOf(await fetch(`${legacyOrigin}/sse`)) }
      const body = raw.slice(raw.indexOf('\n\n') + 2)
      const headers = { 'content-type': 'application/json' }
      return { status: (await fetch(legacyOrigin + path, { method: 'POST', body, headers })).status }
    }
    await using server = await startRawMcpServer(relay)
    await using http = transportOf('http', { url: server.url })
    await (await http.connect(connectRequestOf())).close()
    expect(http.diagnostics?.()).toEqual({ transportInUse: 'sse' })

    server.answer(() => undefined)
    const before = server.requests.length
    await using connection = await connected(http)
    expect(connection.handshake.serverInfo).toMatchObject({ name: 'raw' })
    expect(server.requests.slice(before, before + 2).map(({ method }) => method)).toEqual(['GET', 'POST'])
    expect(http.diagnostics?.()).toEqual({ transportInUse: 'http' })
  })
})

describe('no legacy SSE server is looked for', () => {
  const jsonRpcError = { jsonrpc: '2.0', id: 1, error: { code: -32602, message: 'unsupported version' } }

  it.each<[string, ReturnType<RawDecision>, string]>([
    ['where the credential is refused', { status: 401 }, 'UPSTREAM_CREDENTIAL_REJECTED'],
    ['where it may not be used', { status: 403 }, 'UPSTREAM_CREDENTIAL_REJECTED'],
    ['where the server is busy', { status: 429 }, 'UPSTREAM_BUSY'],
    ['where the server fails', { status: 500 }, 'UPSTREAM_PROTOCOL'],
    ['where the server is not ready', { status: 503 }, 'UPSTREAM_UNREACHABLE'],
    ['where the connection is cut', 'drop', 'UPSTREAM_UNREACHABLE'],
    ['where an MCP server answers with an error of its own', { status: 400, body: jsonRpcError }, 'UPSTREAM_ERROR'],
  ])('%s', async (_name, post, code) => {
    const { failure, methods } = await attempt(answering(post))
    expect(failure).toMatchObject({ code })
    expect(methods).toEqual(['POST'])
  })

  it('where the server does not answer in time', async () => {
    const { server } = connectRequestOf()
    const impatient = { ...server, timeouts: { ...quickTimeouts, handshakeMs: 100 } }
    const { failure, methods } = await attempt(answering('hang'), { server: impatient })
    expect(failure).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
    expect(methods).toEqual(['POST'])
  })

  it('where streamable HTTP was agreed on and something later is not found', async () => {
    const { failure, methods } = await attempt(({ message }) =>
      message['method'] === 'notifications/initialized' ? { status: 405 } : undefined,
    )
    expect(failure).toMatchObject({ code: 'UPSTREAM_PROTOCOL', details: { http_status: 405 } })
    expect(methods).not.toContain('GET')
  })
})

describe('a legacy SSE server that wants a credential', () => {
  it('says so itself, with its challenge', async () => {
    const challenge = { status: 401, headers: { 'www-authenticate': 'Bearer realm="x"' } }
    const { failure } = await attempt(answering({ status: 405 }, challenge))
    expect(failure).toMatchObject({
      code: 'UPSTREAM_CREDENTIAL_REJECTED',
      details: { server: 'github', challenge: 'Bearer realm="x"' },
    })
  })

  it('is not waited for beyond the bound of connecting', async () => {
    const { server } = connectRequestOf()
    const impatient = { ...server, timeouts: { ...quickTimeouts, connectMs: 100 } }
    const { failure } = await attempt(answering({ status: 405 }, 'hang'), { server: impatient })
    expect(failure).toMatchObject({
      code: 'UPSTREAM_PROTOCOL',
      message: expect.stringMatching(/HTTP status 405.*did not answer within 100 ms/),
    })
  })
})

async function* streamOf({ body }: Response): AsyncGenerator<string> {
  if (body === null) return
  const decoder = new TextDecoder()
  try {
    for await (const chunk of body) yield decoder.decode(chunk, { stream: true })
  } catch {
    // The legacy server of this test was closed.
  }
}
