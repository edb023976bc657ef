import { isJsonObject, type JsonRpcNotification } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { describe, expect, vi } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

const callOf = (server: string, name = 'echo') => ({ body: { server_id: server, name, arguments: { message: 'hi' } } })

const isCall = ({ message }: Pick<RawRequest, 'message'>) => message['method'] === 'tools/call'

describe('a session that the upstream forgot', () => {
  verifies('faults:contained', 'is opened again once, and every call within it succeeds', async () => {
    await using server = await startMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    await gateway.json('/mcp-rest/tools/call', callOf('one'))
    const handshakes = server.handshakes
    server.forgetSessions()
    const calls = Array.from({ length: 20 }, () => gateway.json('/mcp-rest/tools/call', callOf('one')))
    for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ content: [{ text: 'hi' }] })
    expect(server.handshakes).toBe(handshakes + 1)
  })

  verifies('faults:contained', 'and forgets each new one at once, ends in an error and not in a loop', async () => {
    await using server = await startRawMcpServer((request) => (isCall(request) ? { status: 404 } : undefined))
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('one'), status: 502 })).toMatchObject({
      detail: { error: 'upstream_protocol_error', server: 'one', stage: 'call' },
    })
    expect(server.received('tools/call')).toHaveLength(2)
  })
})

describe('a call that may have had an effect', () => {
  verifies('faults:contained', 'is never made again when the upstream goes away in the middle of it', async () => {
    await using server = await startRawMcpServer((request) => (isCall(request) ? 'drop' : undefined))
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('one'), status: 502 })).toMatchObject({
      detail: { error: 'upstream_unreachable', server: 'one', stage: 'call' },
    })
    expect(server.received('tools/call')).toHaveLength(1)
  })

  verifies(
    'faults:contained',
    'is never made again when its stream ends before the answer, or its answer is cut',
    async () => {
      const body = JSON.stringify(resultFor({ message: { id: 1 } }, { content: [] }))
      const answers = [
        { events: [{ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'working' } }] },
        { headers: { 'content-type': 'application/json' }, body: body.slice(0, -5) },
        { status: 504 },
      ]
      for (const answer of answers) {
        await using server = await startRawMcpServer((request) => (isCall(request) ? answer : undefined))
        await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
        const failed = await gateway.json('/mcp-rest/tools/call', { ...callOf('one'), status: 502 })
        expect(failed).toMatchObject({ detail: { server: 'one', stage: 'call' } })
        expect(server.received('tools/call')).toHaveLength(1)
      }
    },
  )
})

describe('what an upstream answers', () => {
  verifies('faults:contained', 'a JSON-RPC error is relayed with its code, message and data', async () => {
    await using server = await startRawMcpServer((request) =>
      isCall(request)
        ? {
            body: {
              jsonrpc: '2.0',
              id: request.message['id'],
              error: { code: -32050, message: 'broken on purpose', data: { part: 'spring' } },
            },
          }
        : undefined,
    )
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('one'), status: 502 })).toMatchObject({
      detail: {
        error: 'upstream_error',
        server: 'one',
        upstream: { code: -32050, message: 'broken on purpose', data: { part: 'spring' } },
      },
    })
  })

  verifies('faults:contained', 'a result of ten megabytes and fields that nobody knows pass untouched', async () => {
    const text = 'x'.repeat(10 * 1024 * 1024)
    const result = {
      content: [
        { type: 'text', text },
        { type: 'hologram', depth: 3 },
      ],
      structuredContent: { a: [null] },
      later: { deep: 1 },
      _meta: { 'x/y': true },
    }
    await using server = await startRawMcpServer((request) =>
      isCall(request) ? { body: resultFor(request, result) } : undefined,
    )
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    expect(await gateway.json('/mcp-rest/tools/call', callOf('one'))).toEqual(result)
  })

  verifies('faults:contained', 'a tool that failed is a result', async () => {
    await using server = await startMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    expect(await gateway.json('/mcp-rest/tools/call', callOf('one', 'fail'))).toMatchObject({ isError: true })
  })
})

describe('a client that goes away', () => {
  verifies('faults:contained', 'frees its call at the upstream, which is told, and nobody else’s', async () => {
    const gate = Promise.withResolvers<undefined>()
    await using server = await startRawMcpServer((request) => {
      if (!isCall(request)) return undefined
      const { params } = request.message
      const stays =
        isJsonObject(params) && isJsonObject(params['arguments']) && params['arguments']['message'] === 'stay'
      return stays ? gate.promise : 'hang'
    })
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    const body = { server_id: 'one', name: 'echo', arguments: { message: 'stay' } }
    const staying = gateway.json('/mcp-rest/tools/call', { body })
    const controller = new AbortController()
    const leaving = gateway.request('/mcp-rest/tools/call', { ...callOf('one'), signal: controller.signal })
    await vi.waitFor(() => expect(server.received('tools/call')).toHaveLength(2))
    controller.abort()
    expect((await leaving).status).toBe(499)

    const left = server.received('tools/call').find(({ raw }) => !raw.includes('"stay"'))
    expect(await left?.closed).toBe('abandoned')
    await vi.waitFor(() => expect(server.received('notifications/cancelled')).toHaveLength(1))
    expect(server.received('notifications/cancelled')[0]?.message).toMatchObject({
      params: { requestId: left?.message['id'] },
    })
    gate.resolve(undefined)
    expect(await staying).toMatchObject({ content: [{ text: '{"message":"stay"}' }] })
  })
})

describe('progress', () => {
  verifies(
    'timeouts:named',
    'keeps a call alive beyond its idle time, and silence after it ends the call',
    async () => {
      const clock = fakeClock()
      const steps: PromiseWithResolvers<void>[] = [1, 2, 3, 4].map(() => Promise.withResolvers<void>())
      await using server = await startRawMcpServer((request) =>
        isCall(request) ? { events: progressOf(request, steps) } : undefined,
      )
      await using gateway = await boot({ clock, config: { mcp_servers: { one: { url: server.url, timeout: 25 } } } })
      const heard: JsonRpcNotification[] = []
      const caller = callerOf({
        principal: principalOf({ admin: true }),
        peer: {
          capabilities: {},
          notify: (notification) => heard.push(notification),
          request: () => Promise.reject(new Error('not asked')),
        },
      })
      const params = { name: 'echo', arguments: {}, _meta: { progressToken: 'mine' } }
      const call = gateway.services.gateway.send(caller, { server: 'one', method: 'tools/call', params })
      const outcome = call.catch((error: unknown) => error)
      for (const [index, { resolve }] of steps.entries()) {
        resolve()
        await vi.waitFor(() => expect(heard).toHaveLength(index + 1))
        clock.advance(20_000)
      }
      expect(heard.map(({ params: progress }) => progress)).toMatchObject(
        steps.map((_, index) => ({ progressToken: 'mine', progress: index + 1 })),
      )
      clock.advance(5_000)
      expect(await outcome).toMatchObject({
        code: 'UPSTREAM_TIMEOUT',
        message: expect.stringContaining('25000 ms'),
        details: { server: 'one', stage: 'call' },
      })
    },
  )
})

/** One notification of progress per step, then silence. */
async function* progressOf({ message }: RawRequest, steps: readonly PromiseWithResolvers<void>[]) {
  const { params } = message
  const meta = isJsonObject(params) ? params['_meta'] : undefined
  const progressToken = isJsonObject(meta) ? meta['progressToken'] : undefined
  for (const [index, { promise }] of steps.entries()) {
    await promise
    yield { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: index + 1, total: 9 } }
  }
  await new Promise(() => {})
}

describe('one caller', () => {
  verifies('faults:contained', 'that brings hundreds of credentials takes the connections of nobody else', async () => {
    await using server = await startRawMcpServer()
    await using gateway = await boot({
      config: { mcp_servers: { one: { url: server.url, auth_type: 'true_passthrough', allow_all_keys: true } } },
    })
    const greedy = await gateway.makeKey()
    const modest = await gateway.makeKey()
    const call = (key: string, token: string) =>
      gateway.request('/mcp-rest/tools/call', { ...callOf('one'), key, headers: { authorization: `Bearer ${token}` } })
    for (let start = 0; start < 300; start += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => call(greedy, `token-${start + index}`)))
    }
    expect((await call(modest, 'mine')).status).toBe(200)
  })
})
