import { everythingStdio } from '@toolgate/testing/mcp-everything'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { modernStdio, scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { silentPeer } from '@toolgate/core'
import { describe, expect, it, vi } from 'vitest'
import type { UnsolicitedListener } from '../upstream/connection.ts'
import {
  callOf,
  connected,
  connectRequestOf,
  peerAnswering,
  recordingLogger,
  transportOf,
} from './connecting.fixture.ts'

describe('stdio against the official reference server', () => {
  it('lists, calls, reports progress and relays an elicitation', async () => {
    await using stdio = transportOf('stdio', everythingStdio)
    await using connection = await connected(stdio, { clientCapabilities: { elicitation: {} }, exclusive: true })
    expect(connection.handshake.serverInfo).toMatchObject({ name: 'mcp-servers/everything' })
    const echoed = await connection.request(callOf('echo', { params: { name: 'echo', arguments: { message: 'hi' } } }))
    expect(JSON.stringify(echoed)).toContain('Echo: hi')

    const peer = peerAnswering({ action: 'decline' })
    const params = {
      name: 'trigger-long-running-operation',
      arguments: { duration: 0.02, steps: 2 },
      _meta: { progressToken: 'mine' },
    }
    await connection.request(callOf('', { params, peer }))
    expect(peer.notify.mock.calls.map(([{ params: progress }]) => progress)).toEqual([
      { progressToken: 'mine', progress: 1, total: 2 },
      { progressToken: 'mine', progress: 2, total: 2 },
    ])
    await connection.request(callOf('trigger-elicitation-request', { peer }))
    expect(peer.request).toHaveBeenCalledOnce()
  })

  it('gives the child what is configured, our Node first on its path, and nothing of our environment', async () => {
    vi.stubEnv('GATEWAY_ONLY', 'canary')
    await using stdio = transportOf('stdio', { ...everythingStdio, env: { TOKEN: 'for the child' } })
    await using connection = await connected(stdio)
    vi.unstubAllEnvs()
    const { content } = await connection.request(callOf('get-env'))
    const text = JSON.stringify(content)
    expect(text).toContain('for the child')
    expect(text).toMatch(new RegExp(`PATH[^,]*?${process.execPath.replace(/\/node$/, '')}:`))
    expect(text).not.toContain('canary')
  })
})

describe('a child process that asks while several calls of one caller are on their way', () => {
  it('is answered by one that can, also when the latest is a list or ends meanwhile', async () => {
    // Asks once it has three calls, and answers the first of them with what it was told.
    const script = `
      const calls = []
      const asked = (message) => {
        if (message.method === undefined) return answer(calls[0], { content: [{ told: message.result ?? message.error }] })
        if (message.id === undefined) return
        calls.push(message)
        if (calls.length === 3) say({ id: 'q', method: 'elicitation/create', params: {} })
      }`
    await using stdio = transportOf('stdio', scriptedStdio(script))
    await using connection = await connected(stdio, { clientCapabilities: { elicitation: {} }, exclusive: true })
    const peer = peerAnswering({ action: 'accept' })
    const leaving = new AbortController()
    const leaver = peerAnswering({ action: 'decline' })
    leaver.request.mockImplementation(async (_request, { signal }) => {
      leaving.abort('enough')
      signal.throwIfAborted()
      return {}
    })
    const call = connection.request(callOf('asks', { peer }))
    const left = connection.request(callOf('is left', { peer: leaver, signal: leaving.signal }))
    const list = connection.request({ ...callOf('lists'), method: 'tools/list', params: {} })
    await expect(left).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await call).toEqual({ content: [{ told: { action: 'accept' } }] })
    expect([leaver.request, peer.request].map(({ mock }) => mock.calls.length)).toEqual([1, 1])
    list.catch(() => undefined)
  })
})

describe('stdio against a server of 2026-07-28 alone', () => {
  it('is found out where it refuses the handshake, and says what it has to say', async () => {
    await using stdio = transportOf('stdio', modernStdio)
    const onUnsolicited = vi.fn<UnsolicitedListener>()
    await using connection = await connected(stdio, { onUnsolicited })
    expect(connection.handshake).toMatchObject({ protocolVersion: '2026-07-28', serverInfo: { name: 'fixture' } })
    expect(stdio.eraFor?.('legacy', { kind: 'shared' })).toBe('modern')
    const heard: unknown[] = []
    const peer = {
      ...silentPeer,
      logLevel: 'info',
      notify: ({ method }: { method: string }) => void heard.push(method),
    }
    const params = { name: 'count', arguments: { steps: 1 }, _meta: { progressToken: 'mine' } }
    expect(await connection.request(callOf('', { params, peer }))).toMatchObject({
      content: [{ text: 'counted to 1' }],
    })
    expect(heard).toEqual(['notifications/progress'])
    const clientCapabilities = { elicitation: { form: {} } }
    expect(await connection.request(callOf('confirm', { clientCapabilities }))).toMatchObject({
      resultType: 'input_required',
    })
    // It subscribed to what there is to hear.
    await vi.waitFor(() =>
      expect(onUnsolicited.mock.calls[0]?.[0].method).toBe('notifications/subscriptions/acknowledged'),
    )
  })

  it('is what it was, for the next process as well', async () => {
    const script = `
      hello = (message) => say({ id: message.id, error: { code: -32601, message: 'never heard of it' } })
      const asked = (message) => {
        console.error('asked ' + message.method)
        if (message.method === 'server/discover') answer(message, { supportedVersions: ['2026-07-28'], capabilities: {} })
      }`
    await using stdio = transportOf('stdio', scriptedStdio(script))
    for (const _ of [1, 2]) {
      await using connection = await connected(stdio)
      expect(connection.handshake.protocolVersion).toBe('2026-07-28')
    }
    expect(stdio.diagnostics?.()).toMatchObject({ era: 'modern' })
  })
})

describe('a child process', () => {
  it('relays what no schema knows, both ways', async () => {
    const result = { content: [{ type: 'hologram' }], structuredContent: [1], later: { deep: [null] } }
    await using stdio = transportOf(
      'stdio',
      scriptedStdio(
        `const asked = ({ id, params }) => id && say({ id, result: { ...${JSON.stringify(result)}, params } })`,
      ),
    )
    await using connection = await connected(stdio)
    const params = { name: 'x', odd: [{ a: 1 }], _meta: { 'vendor/trace': 1 } }
    expect(await connection.request(callOf('x', { params }))).toEqual({ ...result, params })
  })

  it('that is not there is named, without its command line', async () => {
    await using stdio = transportOf('stdio', { command: 'no-such-command-canary' })
    const failure = await stdio.connect(connectRequestOf()).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'UPSTREAM_UNREACHABLE', details: { server: 'github', stage: 'connect' } })
    expect(String(failure)).toContain('command not found')
    expect(String(failure)).not.toContain('canary')
  })

  it('that exits while it is called fails the call at once; its last words are for the log, without its secrets', async () => {
    await using stdio = transportOf('stdio', {
      ...scriptedStdio(`const asked = ({ method }) => {
        if (method !== 'tools/call') return
        process.stderr.write('dying with ' + process.env.TOKEN, () => process.exit(3))
      }`),
      env: { TOKEN: 'canary-token' },
    })
    await using connection = await connected(stdio)
    await expect(connection.request(callOf('x'))).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: expect.not.stringContaining('dying'),
      internal: 'dying with [redacted]',
      details: { server: 'github', stage: 'call' },
    })
    expect(connection.open).toBe(false)
  })

  it('that exits instead of shaking hands is unreachable, with what it said in the log', async () => {
    const log = recordingLogger()
    await using stdio = transportOf(
      'stdio',
      { command: process.execPath, args: ['-e', 'console.error("no config"); process.exit(1)'] },
      { log },
    )
    await expect(stdio.connect(connectRequestOf())).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      details: { server: 'github', stage: 'handshake' },
    })
    expect(log.lines.join()).toContain('no config')
  })

  it('gets a minute for its first start, whatever the handshake bound', async () => {
    const clock = fakeClock()
    await using stdio = transportOf(
      'stdio',
      { command: process.execPath, args: ['-e', 'process.stdin.resume()'] },
      { clock },
    )
    const { server } = connectRequestOf()
    const connecting = stdio.connect(
      connectRequestOf({ server: { ...server, timeouts: { ...server.timeouts, handshakeMs: 30_000 } } }),
    )
    const settled = vi.fn<() => void>()
    connecting.then(settled, settled)
    // One timer for spawning, then three for the handshake: from there on it is the clock that decides.
    await vi.waitUntil(() => clock.pending === 3)
    clock.advance(59_999)
    await Promise.resolve()
    expect(settled).not.toHaveBeenCalled()
    clock.advance(1)
    await expect(connecting).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT', details: { stage: 'handshake' } })
  })

  it('whose call is cancelled is told so, and answers the others', async () => {
    await using stdio = transportOf(
      'stdio',
      scriptedStdio(`let cancelled
      const asked = ({ id, method, params }) => {
        if (method === 'notifications/cancelled') cancelled = params.requestId
        if (params?.name === 'report') say({ id, result: { cancelled } })
      }`),
    )
    await using connection = await connected(stdio)
    const leaving = new AbortController()
    const call = connection.request(callOf('slow', { signal: leaving.signal }))
    leaving.abort()
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(await connection.request(callOf('report'))).toEqual({ cancelled: 2 })
  })
})

describe('a shared process', () => {
  const talkative = scriptedStdio(`const asked = ({ id, params }) => {
    if (params?.name !== 'talk') return
    say({ method: 'notifications/message', params: { data: 'of somebody' } })
    say({ id: 'q', method: 'elicitation/create', params: {} })
    asking = id
  }
  let asking
  const answered = asked
  process.stdin.on('data', (chunk) => {
    for (const line of String(chunk).trim().split('\\n')) {
      const { id, method, error, result } = JSON.parse(line)
      if (id === 'q' && method === undefined) say({ id: asking, result: { error, result } })
    }
  })`)

  it('never shows one caller what names no call, and lets nobody be asked', async () => {
    await using stdio = transportOf('stdio', talkative)
    const onUnsolicited = vi.fn<UnsolicitedListener>()
    await using connection = await connected(stdio, { onUnsolicited })
    const peer = peerAnswering({}, { elicitation: {} })
    expect(await connection.request(callOf('talk', { peer }))).toMatchObject({ error: { code: -32601 } })
    expect(peer.notify).not.toHaveBeenCalled()
    expect(peer.request).not.toHaveBeenCalled()
    expect(onUnsolicited).toHaveBeenCalledOnce()
  })

  it('that one caller has to itself reaches that caller', async () => {
    await using stdio = transportOf('stdio', talkative)
    await using connection = await connected(stdio, { clientCapabilities: { elicitation: {} }, exclusive: true })
    const peer = peerAnswering({ action: 'accept' })
    expect(await connection.request(callOf('talk', { peer }))).toEqual({ result: { action: 'accept' } })
    expect(peer.notify).toHaveBeenCalledOnce()
  })
})
