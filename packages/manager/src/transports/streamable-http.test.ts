import { type JsonRpcNotification, Secret } from '@toolgate/core'
import { callerOf } from '@toolgate/testing/callers'
import { startEverything } from '@toolgate/testing/mcp-everything'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { describe, expect, it, vi } from 'vitest'
import { bearerOf } from '../fake-world.fixture.ts'
import { SessionExpired } from '../upstream/connection.ts'
import { callOf, clientInfo, connected, peerAnswering, transportOf } from './connecting.fixture.ts'

describe('streamable HTTP against the SDK', () => {
  it('relays a call and its result over an event stream', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    expect(connection.sessionful).toBe(true)
    expect(connection.handshake).toMatchObject({
      protocolVersion: '2025-11-25',
      serverInfo: { name: 'fixture' },
      instructions: 'Use the tools.',
    })
    const result = await connection.request(callOf('echo', { params: { name: 'echo', arguments: { message: 'hi' } } }))
    expect(result).toEqual({ content: [{ type: 'text', text: 'hi' }] })
  })

  it('introduces itself as it was told to', async () => {
    await using server = await startRawMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using _ = await connected(http)
    expect(server.received('initialize')[0]?.message['params']).toMatchObject({ clientInfo })
  })

  it('relays a call and its result as JSON from a server without sessions', async () => {
    await using server = await startMcpServer({ sessions: false, json: true })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    expect(connection.sessionful).toBe(false)
    const result = await connection.request(callOf('echo', { params: { name: 'echo', arguments: { message: 'hi' } } }))
    expect(result).toEqual({ content: [{ type: 'text', text: 'hi' }] })
  })

  it('presents the credential of the request, not the one that connected', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, { credential: bearerOf('opener') })
    const as = (token: string) => callOf('whoami', { headers: new Map([['authorization', new Secret(token)]]) })
    const answers = await Promise.all([connection.request(as('ann')), connection.request(as('bob'))])
    expect(answers).toEqual([
      { content: [{ type: 'text', text: 'ann' }] },
      { content: [{ type: 'text', text: 'bob' }] },
    ])
  })

  it('reports progress under the token of the caller, and none to a caller that sent no token', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    const heard: JsonRpcNotification[] = []
    const peer = { ...callerOf().peer, notify: (notification: JsonRpcNotification) => void heard.push(notification) }
    const params = { name: 'count', arguments: { steps: 2 } }
    await connection.request(callOf('count', { params, peer }))
    expect(heard).toEqual([])
    await connection.request(
      callOf('count', { params: { ...params, _meta: { progressToken: 'mine', kept: 1 } }, peer }),
    )
    expect(heard.map(({ params: progress }) => progress)).toEqual([
      { progressToken: 'mine', progress: 1, total: 2 },
      { progressToken: 'mine', progress: 2, total: 2 },
    ])
  })

  it('asks the peer of the very call, however many are in flight', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, { clientCapabilities: { elicitation: {} }, exclusive: true })
    const answering = (name: string) => ({
      ...callerOf().peer,
      request: async () => ({ action: 'accept', content: { sure: name === 'ann' } }),
    })
    const answers = await Promise.all(
      ['ann', 'bob'].map((name) => connection.request(callOf('confirm', { peer: answering(name) }))),
    )
    expect(JSON.stringify(answers[0])).toContain('true')
    expect(JSON.stringify(answers[1])).toContain('false')
  })

  it('lets no server ask what was not declared, whatever the peer can do', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    const peer = peerAnswering({ action: 'accept' }, { elicitation: {} })
    await expect(connection.request(callOf('confirm', { peer }))).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
    expect(peer.request).not.toHaveBeenCalled()
  })

  it('relays an error of the server with its code and data', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    await expect(connection.request(callOf('break'))).rejects.toMatchObject({
      code: 'UPSTREAM_ERROR',
      details: { server: 'github', upstream: { code: -32050, message: 'broken on purpose', data: { part: 'spring' } } },
    })
  })

  it('says that a session is gone, once the server forgot it, and ends the connection', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http)
    server.forgetSessions()
    await expect(connection.request(callOf('echo'))).rejects.toBeInstanceOf(SessionExpired)
    expect(connection.open).toBe(false)
  })

  it('ends the session at the server when it closes', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    const connection = await connected(http, { credential: bearerOf('opener') })
    expect(server.openSessions).toBe(1)
    await connection.close()
    expect(server.openSessions).toBe(0)
    expect(server.requests.at(-1)?.headers.get('authorization')).toBe('Bearer opener')
    await expect(connection.request(callOf('echo'))).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
  })

  it('hears on the discovery connection that the tools changed', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    const heard: string[] = []
    await using _ = await connected(http, { onUnsolicited: ({ method }) => void heard.push(method) })
    await vi.waitUntil(() => server.requests.some(({ method }) => method === 'GET'))
    await vi.waitUntil(async () => {
      await server.announceTools()
      return heard.length > 0
    })
    expect(heard[0]).toBe('notifications/tools/list_changed')
  })

  it('opens no listening stream for a caller that nobody can ask back', async () => {
    await using server = await startMcpServer()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, { caller: callerOf() })
    await connection.request(callOf('echo'))
    expect(server.requests.map(({ method }) => method)).not.toContain('GET')
  })
})

describe('a server that may ask its client', () => {
  it('is called once it is known whether there is a stream to ask on', async () => {
    const opened = Promise.withResolvers<void>()
    await using server = await startRawMcpServer(async ({ method }) => {
      if (method !== 'GET') return undefined
      await opened.promise
      return { status: 405 }
    })
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, { clientCapabilities: { roots: {} }, exclusive: true })
    const call = connection.request(callOf('echo'))
    await vi.waitUntil(() => server.requests.some(({ method }) => method === 'GET'))
    expect(server.received('tools/call')).toHaveLength(0)
    opened.resolve()
    await call
    expect(server.received('tools/call')).toHaveLength(1)
  })
})

describe('streamable HTTP against the official reference server', () => {
  it('lists, calls and relays an elicitation', async () => {
    await using server = await startEverything()
    await using http = transportOf('http', { url: server.url })
    await using connection = await connected(http, { clientCapabilities: { elicitation: {} }, exclusive: true })
    const listed = await connection.request(callOf('', { method: 'tools/list', params: {} }))
    expect(JSON.stringify(listed)).toContain('trigger-elicitation-request')
    const peer = peerAnswering({ action: 'decline' })
    const result = await connection.request(callOf('trigger-elicitation-request', { peer }))
    expect(peer.request).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ method: 'elicitation/create' }),
      expect.anything(),
    )
    expect(JSON.stringify(result)).toContain('declined')
  })
})
