import { createServer, type Server } from 'node:http'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type RawAnswer, type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { callOf, connected, connectRequestOf, transportOf } from './connecting.fixture.ts'

/** A raw server that answers `tools/call` as told and everything else well, and a connection to it. */
async function reach(
  onCall: (request: RawRequest) => RawAnswer | undefined,
  options: Parameters<typeof transportOf>[2] & { onUnsolicited?: () => void } = {},
) {
  const { onUnsolicited, ...transportOptions } = options
  const server = await startRawMcpServer((request) =>
    request.message['method'] === 'tools/call' ? onCall(request) : undefined,
  )
  const http = transportOf('http', { url: server.url }, transportOptions)
  const connection = await connected(http, { ...(onUnsolicited && { onUnsolicited }) })
  onTestFinished(async () => {
    await connection.close()
    await http[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  return { server, connection }
}

async function failureOf(onCall: (request: RawRequest) => RawAnswer | undefined): Promise<unknown> {
  const { connection } = await reach(onCall)
  return connection.request(callOf('echo')).catch((error: unknown) => error)
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/mcp`
}

const deep = `{"code":1,"message":"x","data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
const json = { 'content-type': 'application/json' }
const answerText = ({ message }: RawRequest, result: string) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(message['id'])},"result":${result}}`

describe('an HTTP status', () => {
  it.each<[number, Record<string, string>, object]>([
    [429, { 'retry-after': '7' }, { code: 'UPSTREAM_BUSY', details: { http_status: 429, retry_after_seconds: 7 } }],
    [
      429,
      { 'retry-after': 'Wed, 21 Oct 2026 07:28:30 GMT', date: 'Wed, 21 Oct 2026 07:28:00 GMT' },
      { code: 'UPSTREAM_BUSY', details: { retry_after_seconds: 30 } },
    ],
    [429, { 'retry-after': '999999999999' }, { code: 'UPSTREAM_BUSY', details: { retry_after_seconds: 86_400 } }],
    [502, {}, { code: 'UPSTREAM_UNREACHABLE', details: { http_status: 502 } }],
    [503, { 'retry-after': '2' }, { code: 'UPSTREAM_UNREACHABLE', details: { retry_after_seconds: 2 } }],
    [504, {}, { code: 'UPSTREAM_UNREACHABLE', details: { http_status: 504 } }],
    [500, {}, { code: 'UPSTREAM_PROTOCOL', details: { http_status: 500 } }],
    [507, {}, { code: 'UPSTREAM_PROTOCOL', details: { http_status: 507 } }],
  ])('%i with %o is %o', async (status, headers, expected) => {
    const failure = await failureOf(() => ({ status, headers, body: 'a page of the secret proxy' }))
    expect(failure).toMatchObject(expected)
    expect(failure).toMatchObject({ details: { server: 'github', stage: 'call' } })
    expect(String(failure)).not.toContain('secret proxy')
  })

  it.each(['', 'soon', '-1', 'Wed, 21 Oct 2026 07:28:30 GMT'])(
    'of 429 promises nothing where it says "%s"',
    async (said) => {
      const failure = await failureOf(() => ({ status: 429, headers: { 'retry-after': said, date: 'never' } }))
      expect(failure).toMatchObject({
        code: 'UPSTREAM_BUSY',
        details: expect.not.objectContaining({ retry_after_seconds: expect.anything() }),
      })
    },
  )
})

describe('a result', () => {
  it.each(['document', 'event'])('of ten megabytes passes as a %s', async (kind) => {
    const text = 'x'.repeat(10 * 1024 * 1024)
    const { connection } = await reach((request) => {
      const result = resultFor(request, { text })
      return kind === 'event' ? { events: [result] } : { body: result }
    })
    expect(await connection.request(callOf('echo'))).toEqual({ text })
  })

  it.each<[string, (request: RawRequest) => RawAnswer]>([
    ['document', (request) => ({ headers: json, body: answerText(request, deep) })],
    ['event', (request) => ({ events: [`data: ${answerText(request, deep)}\n\n`] })],
    [
      'error',
      ({ message }) => ({
        headers: json,
        body: `{"jsonrpc":"2.0","id":${JSON.stringify(message['id'])},"error":${deep}}`,
      }),
    ],
  ])('that is nested 200,000 deep, as a %s, is the fault of the upstream', async (_name, answer) => {
    expect(await failureOf(answer)).toMatchObject({
      code: 'UPSTREAM_PROTOCOL',
      details: { server: 'github', stage: 'call' },
    })
  })

  it.each([
    ['application/json', '', 'UPSTREAM_PROTOCOL'],
    ['text/event-stream', 'data: ', 'UPSTREAM_UNREACHABLE'],
  ])('as %s that ends within a character is none', async (contentType, prefix, code) => {
    const server = createServer((incoming, response) => {
      const whole = Buffer.from(`${prefix}{"jsonrpc":"2.0","id":1,"result":{"text":"grö`)
      response.writeHead(200, { 'content-type': contentType }).end(whole.subarray(0, -1))
      incoming.resume()
    })
    const url = await listening(server)
    await using http = transportOf('http', { url })
    await expect(http.connect(connectRequestOf())).rejects.toMatchObject({
      code,
      details: { server: 'github', stage: 'handshake' },
    })
    await new Promise((resolve) => server.close(resolve))
  })

  it('given twice counts once', async () => {
    const { connection } = await reach((request) => ({
      events: [resultFor(request, { first: true }), resultFor(request, { second: true })],
    }))
    expect(await connection.request(callOf('echo'))).toEqual({ first: true })
    expect(await connection.request(callOf('echo'))).toEqual({ first: true })
  })
})

describe('an endless stream', () => {
  it.each<[string, object | string]>([
    ['comments', ': still here\n\n'],
    ['events of another kind', 'event: ping\ndata: {}\n\n'],
    ['notifications', { jsonrpc: '2.0', method: 'notifications/message', params: { data: 'busy' } }],
    [
      'progress of another call',
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 4711, progress: 1 } },
    ],
  ])('of %s is no sign of life: the call runs out of time and its socket is freed', async (_name, piece) => {
    const clock = fakeClock()
    let sent = 0
    const endless = async function* () {
      for (;;) {
        sent += 1
        yield piece
        await new Promise(setImmediate)
      }
    }
    const { server, connection } = await reach(() => ({ events: endless() }), { clock })
    const call = connection.request(callOf('echo', { idleTimeoutMs: 1_000, totalTimeoutMs: 60_000 }))
    const failure = call.catch((error: unknown) => error)
    await vi.waitUntil(() => sent > 20)
    clock.advance(900)
    const sentBefore = sent
    await vi.waitUntil(() => sent > sentBefore + 20)
    clock.advance(100)
    expect(await failure).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
    expect(await server.received('tools/call')[0]?.closed).toBe('abandoned')
  })
})

describe('news about the tools', () => {
  it('in a flood is passed on at once and once more at its end', async () => {
    const clock = fakeClock()
    const onUnsolicited = vi.fn<() => void>()
    const changed = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }
    const { connection } = await reach(
      (request) => ({ events: [...Array.from({ length: 1_000 }, () => changed), resultFor(request, {})] }),
      { clock, onUnsolicited },
    )
    await connection.request(callOf('echo'))
    expect(onUnsolicited).toHaveBeenCalledOnce()
    clock.advance(1_000)
    expect(onUnsolicited).toHaveBeenCalledTimes(2)
    await connection.request(callOf('echo'))
    await connection.close()
    expect(clock.pending).toBe(0)
  })
})
