import { fakeClock } from '@toolgate/testing/fake-clock'
import { scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Connection } from '../upstream/connection.ts'
import { callOf, connected, connectRequestOf, recordingLogger, transportOf } from './connecting.fixture.ts'

/** A transport over this script, and a connection that it made. */
async function run(script: string, options: Parameters<typeof transportOf>[2] & { env?: object } = {}) {
  const { env, ...transportOptions } = options
  const stdio = transportOf('stdio', { ...scriptedStdio(script), ...(env !== undefined && { env }) }, transportOptions)
  const connection = await connected(stdio)
  onTestFinished(async () => {
    await connection.close()
    await stdio[Symbol.asyncDispose]()
  })
  return { stdio, connection }
}

const failureOf = (connection: Connection, name = 'x') =>
  connection.request(callOf(name)).catch((error: unknown) => error)

describe('what a child writes', () => {
  it('may be a banner, blank lines, debug output and half-finished JSON: it is skipped, counted and logged once', async () => {
    const log = recordingLogger()
    const { stdio, connection } = await run(
      `process.stdout.write('Server v1 ready with ' + process.env.TOKEN + '\\n\\n  \\n{"half\\n[1]\\nnull\\n{"jsonrpc":"1.0","id":1}\\n')
       const asked = (message) => { process.stdout.write('DEBUG asked\\n'); message.id && answer(message, { fine: true }) }`,
      { log, env: { TOKEN: 'canary-token' } },
    )
    expect(await connection.request(callOf('x'))).toEqual({ fine: true })
    expect(stdio.diagnostics?.()).toMatchObject({ junkLines: 7 })
    const warnings = log.lines.filter((line) => line.includes('no message'))
    expect(warnings).toEqual([expect.stringContaining('Server v1 ready with [redacted]')])
  })

  it('may cut a character anywhere', async () => {
    const { connection } = await run(
      `const asked = (message) => {
         if (message.id === undefined) return
         const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { text: 'größer 😀' } }) + '\\n')
         let sent = 0
         const next = () => sent < bytes.length && process.stdout.write(bytes.subarray(sent, sent += 1), () => setImmediate(next))
         next()
       }`,
    )
    expect(await connection.request(callOf('x'))).toEqual({ text: 'größer 😀' })
  })

  it('may be ten megabytes', async () => {
    const { connection } = await run(
      `const asked = (message) => answer(message, { text: 'x'.repeat(10 * 1024 * 1024) })`,
    )
    expect(JSON.stringify(await connection.request(callOf('x')))).toHaveLength(10 * 1024 * 1024 + '{"text":""}'.length)
  })

  it('beyond the bound ends it, and the call says so', async () => {
    const { stdio, connection } = await run(
      `const asked = ({ id }) => {
         const piece = 'x'.repeat(1024 * 1024)
         const more = () => { while (process.stdout.write(piece)); process.stdout.once('drain', more) }
         if (id !== undefined) more()
       }`,
    )
    expect(await failureOf(connection)).toMatchObject({
      code: 'UPSTREAM_PROTOCOL',
      message: expect.stringContaining('larger than 67108864 bytes'),
      details: { server: 'github', stage: 'call' },
    })
    expect(connection.open).toBe(false)
    await vi.waitFor(() => expect(stdio.diagnostics?.()).toMatchObject({ lastExit: { signal: 'SIGKILL' } }))
  })

  it('nested too deep is an error of its own call, and the others go on', async () => {
    const { connection } = await run(
      `const asked = ({ id, params }) => {
         if (id === undefined) return
         if (params.name !== 'deep') return answer({ id }, { fine: true })
         process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":{"a":' + '['.repeat(200000) + ']'.repeat(200000) + '}}\\n')
       }`,
    )
    const [deep, other] = await Promise.all([failureOf(connection, 'deep'), connection.request(callOf('x'))])
    expect(deep).toMatchObject({ code: 'UPSTREAM_PROTOCOL', message: expect.stringContaining('nested deeper') })
    expect(other).toEqual({ fine: true })
    expect(connection.open).toBe(true)
  })

  it('twice, or to a call that nobody made, is dropped', async () => {
    const { connection } = await run(
      `const asked = (message) => {
         if (message.id === undefined) return
         say({ id: 4711, result: { of: 'nobody' } })
         answer(message, { first: message.params.name })
         answer(message, { second: true })
       }`,
    )
    expect(await connection.request(callOf('a'))).toEqual({ first: 'a' })
    expect(await connection.request(callOf('b'))).toEqual({ first: 'b' })
  })

  it('a thousand times about its tools is heard at once, and once more at the end', async () => {
    const clock = fakeClock()
    const heard: string[] = []
    const stdio = transportOf(
      'stdio',
      scriptedStdio(`const asked = (message) => {
        if (message.id === undefined) return
        for (let time = 0; time < 1000; time += 1) say({ method: 'notifications/tools/list_changed' })
        answer(message)
      }`),
      { clock },
    )
    await using _stdio = stdio
    await using connection = await connected(stdio, { onUnsolicited: ({ method }) => void heard.push(method) })
    await connection.request(callOf('x'))
    expect(heard).toHaveLength(1)
    clock.advance(1_000)
    expect(heard).toEqual(Array.from({ length: 2 }, () => 'notifications/tools/list_changed'))
  })
})

describe('a child that ends', () => {
  it.each([
    {
      end: 'process.exit(3)',
      message: 'exited with code 3',
      details: { exit_code: 3 },
      lastExit: { code: 3, signal: null },
    },
    {
      end: 'process.kill(process.pid, "SIGKILL")',
      message: 'exited on SIGKILL',
      details: { exit_signal: 'SIGKILL' },
      lastExit: { code: null, signal: 'SIGKILL' },
    },
  ])('in the middle of a call fails it at once, saying how: $end', async ({ end, message, details, lastExit }) => {
    const { stdio, connection } = await run(`const asked = ({ id }) => { if (id !== undefined) ${end} }`)
    const expected = { code: 'UPSTREAM_UNREACHABLE', message: expect.stringContaining(message), details }
    expect(await failureOf(connection)).toMatchObject(expected)
    // Who comes later on this connection hears the same.
    expect(await failureOf(connection)).toMatchObject(expected)
    expect(stdio.diagnostics?.()).toMatchObject({ pid: undefined, lastExit })
  })

  it('by closing its input, though it runs on, is ended and the call fails', async () => {
    const { connection } = await run(
      `setInterval(() => {}, 1000)
       const asked = (message) => {
         if (message.id === undefined) return
         require('node:fs').closeSync(0)
         answer(message)
       }`,
    )
    await connection.request(callOf('x'))
    expect(await failureOf(connection)).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      details: { exit_signal: 'SIGKILL' },
    })
    expect(connection.open).toBe(false)
  })

  it('leaves its last words and its process id to administrators, without its secrets', async () => {
    const { stdio, connection } = await run(
      `console.error('starting with', process.env.TOKEN)
       const asked = (message) => message.id && console.error('asked') + answer(message)`,
      { env: { TOKEN: 'canary-token' } },
    )
    expect(stdio.diagnostics?.()?.pid).toBeGreaterThan(0)
    await vi.waitFor(() => expect(stdio.diagnostics?.()).toMatchObject({ stderr: 'starting with [redacted]\n' }))
    await connection.close()
    expect(stdio.diagnostics?.()).toMatchObject({ pid: undefined, restarts: 0 })
  })

  it('keeps no more of its standard error than the bound, and no half secret at the cut', async () => {
    const { stdio } = await run(
      `process.stderr.write(process.env.TOKEN.repeat(20000) + 'the end')
       const asked = () => {}`,
      { env: { TOKEN: 'canary-token' } },
    )
    await vi.waitFor(() => expect(stdio.diagnostics?.()?.stderr).toMatch(/the end$/))
    const said = stdio.diagnostics?.()?.stderr ?? ''
    expect(said.length).toBeLessThanOrEqual(64 * 1024)
    expect(said).not.toMatch(/canary|token/)
  })
})

describe('a command that keeps failing', () => {
  const crashing = scriptedStdio(`const asked = ({ id }) => { if (id !== undefined) process.exit(1) }`)

  it('is started again at once after one crash, and then only after a while; who asks meanwhile hears when', async () => {
    const clock = fakeClock()
    await using stdio = transportOf('stdio', crashing, { clock })
    for (let crash = 0; crash < 2; crash += 1) {
      const connection = await stdio.connect(connectRequestOf())
      expect(await failureOf(connection)).toMatchObject({ details: { exit_code: 1 } })
    }
    await expect(stdio.connect(connectRequestOf())).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: expect.stringMatching(/exited with code 1 and is started again in 1 s at the earliest/),
      details: { server: 'github', stage: 'connect', restart: 'delayed', retry_after_seconds: 1 },
    })
    expect(stdio.diagnostics?.()).toMatchObject({ restarts: 1, nextStartInMs: expect.any(Number) })
    clock.advance(500)
    await using connection = await connected(stdio)
    expect(connection.open).toBe(true)
    expect(stdio.diagnostics?.()).toMatchObject({ restarts: 2, nextStartInMs: undefined })
  })

  it('is started again at once after it was closed, however often', async () => {
    await using stdio = transportOf('stdio', scriptedStdio('const asked = () => {}'), { clock: fakeClock() })
    for (let time = 0; time < 3; time += 1) await (await stdio.connect(connectRequestOf())).close()
    expect(stdio.diagnostics?.()).toMatchObject({ restarts: 0 })
  })

  it('that never comes up is not started for each that asks', async () => {
    await using stdio = transportOf('stdio', { command: process.execPath, args: ['-e', 'process.exit(9)'] })
    await expect(stdio.connect(connectRequestOf())).rejects.toMatchObject({
      details: { stage: 'handshake', exit_code: 9 },
    })
    await expect(stdio.connect(connectRequestOf())).rejects.toMatchObject({
      details: { stage: 'connect', retry_after_seconds: 1 },
    })
  })
})

describe('a child that does not answer any more', () => {
  const wedged = `const asked = ({ params }) => { if (params?.name === 'wedge') for (;;); }`

  it('is found out after a call ran out of time, and the next call has another', async () => {
    const clock = fakeClock()
    const { stdio, connection } = await run(wedged, { clock })
    const first = connection.request(callOf('wedge', { idleTimeoutMs: 1_000 })).catch((error: unknown) => error)
    const other = connection.request(callOf('x', { idleTimeoutMs: 60_000, totalTimeoutMs: 60_000 }))
    const others = other.catch((error: unknown) => error)
    clock.advance(1_000)
    expect(await first).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
    expect(connection.open).toBe(true)
    clock.advance(15_000)
    expect(await others).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: expect.stringContaining('stopped answering'),
    })
    expect(connection.open).toBe(false)
    // It hears neither the end of its input nor, in time, SIGTERM.
    clock.advance(3_000)
    await vi.waitFor(() => expect(stdio.diagnostics?.()?.pid).toBeUndefined())
    await using next = await connected(stdio)
    expect(next.open).toBe(true)
  })

  it('in time but answers a ping is left alone', async () => {
    const clock = fakeClock()
    const { connection } = await run(
      `let pings = 0
       const asked = (message) => {
         if (message.method === 'ping') { pings += 1; answer(message) }
         if (message.params?.name === 'pings') answer(message, { pings })
       }`,
      { clock },
    )
    const slow = connection.request(callOf('slow', { idleTimeoutMs: 1_000 })).catch((error: unknown) => error)
    clock.advance(1_000)
    expect(await slow).toMatchObject({ code: 'UPSTREAM_TIMEOUT' })
    await vi.waitFor(async () => expect(await connection.request(callOf('pings'))).toEqual({ pings: 1 }))
    clock.advance(60_000)
    expect(connection.open).toBe(true)
  })

  it('and reads nothing keeps nobody who tells it something longer than they want to wait', async () => {
    const { connection } = await run(`const asked = () => process.stdin.pause()
      setInterval(() => {}, 1000)`)
    const notification = { jsonrpc: '2.0', method: 'notifications/x', params: { text: 'x'.repeat(4_000_000) } } as const
    const leaving = new AbortController()
    const telling = connection.notify(notification, { headers: new Map(), signal: leaving.signal })
    const told = telling.catch((error: unknown) => error)
    leaving.abort()
    expect(await told).toMatchObject({ code: 'CANCELLED' })
    expect(connection.open).toBe(true)
  })

  it('and reads nothing is not sent more than the bound', async () => {
    const { connection } = await run(wedged)
    void failureOf(connection, 'wedge')
    const large = { name: 'x', arguments: { text: 'x'.repeat(20 * 1024 * 1024) } }
    const calls = Array.from({ length: 5 }, () =>
      connection.request(callOf('', { params: large })).catch((error: unknown) => error),
    )
    expect(await calls.at(-1)).toMatchObject({ code: 'UPSTREAM_BUSY', details: { server: 'github', stage: 'call' } })
    await connection.close()
    await Promise.all(calls)
  })
})
