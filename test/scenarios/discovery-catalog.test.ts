import { performance } from 'node:perf_hooks'
import { type Clock, systemClock } from '@toolgate/core'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, vi } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: { message: 'hi' } } })

/** A port where nobody listens, for as long as the test runs: it was free a moment ago. */
async function deadAddress(): Promise<string> {
  await using server = await startRawMcpServer()
  return server.url
}

/** Every bound as it is configured, waited for at a twentieth of its time. */
const hurriedClock: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs / 20, run) }

const hanging = () => startRawMcpServer(() => 'hang')

const handshakesOf = (server: RawMcpServer) => server.received('initialize').length

describe('a list over several servers', () => {
  verifies(
    'list:outcome-per-server',
    'names every one that could not be listed, with its reason, and has the rest',
    async () => {
      await using good = await startRawMcpServer()
      await using refusing = await startRawMcpServer(() => ({ status: 401 }))
      await using broken = await startRawMcpServer((request) =>
        request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools: 'none' }) } : undefined,
      )
      await using silent = await hanging()
      await using gateway = await boot({
        clock: hurriedClock,
        env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '5' },
        config: {
          mcp_servers: {
            good: { url: good.url },
            dead: { url: await deadAddress() },
            refusing: { url: refusing.url, auth_type: 'bearer_token', authentication_token: 'wrong-credential' },
            broken: { url: broken.url },
            silent: { url: silent.url },
          },
        },
      })
      const answer = await gateway.json('/mcp-rest/tools/list')
      expect(answer).toMatchObject({
        error: 'partial_failure',
        tools: [{ name: 'echo', mcp_info: { server_name: 'good' } }],
        _meta: {
          'toolgate/outcomes': [
            { server_name: 'good', status: 'ok' },
            { server_name: 'dead', status: 'unreachable', message: expect.stringContaining('"dead"') },
            { server_name: 'refusing', status: 'rejected', message: expect.stringContaining('401') },
            { server_name: 'broken', status: 'protocol_error', message: expect.stringContaining('tools/list') },
            { server_name: 'silent', status: 'timeout', message: expect.stringContaining('700 ms') },
          ],
        },
      })
      for (const server of ['dead', 'refusing', 'broken', 'silent']) expect(answer['message']).toContain(`${server}:`)
      expect(JSON.stringify(answer)).not.toContain('wrong-credential')

      // The other lists say the same.
      for (const path of ['/v1/mcp/tools', '/mcp/tools/list']) {
        expect(await gateway.json(path)).toMatchObject({ _meta: { 'toolgate/outcomes': { length: 5 } } })
      }
    },
  )

  verifies('list:outcome-per-server', 'is an error where the one server it is for cannot be listed', async () => {
    await using refusing = await startRawMcpServer(() => ({ status: 403 }))
    await using broken = await startRawMcpServer(() => ({ status: 500, body: 'oops' }))
    await using silent = await hanging()
    await using gateway = await boot({
      clock: hurriedClock,
      env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '5' },
      config: {
        mcp_servers: {
          dead: { url: await deadAddress() },
          refusing: { url: refusing.url, auth_type: 'bearer_token', authentication_token: 'wrong-credential' },
          open: { url: refusing.url },
          broken: { url: broken.url },
          silent: { url: silent.url },
        },
      },
    })
    const statuses = { dead: 502, refusing: 502, open: 401, broken: 502, silent: 504 }
    for (const [server, status] of Object.entries(statuses)) {
      const answer = await gateway.json(`/mcp-rest/tools/list?server_id=${server}`, { status })
      expect(answer).toMatchObject({ detail: { server, message: expect.stringContaining(`"${server}"`) } })
    }
  })

  verifies('list:outcome-per-server', 'keeps the last good list of a server that went away, and says so', async () => {
    await using good = await startRawMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { good: { url: good.url } } } })
    good.answer(() => 'drop')
    await gateway.json('/v1/mcp/server/good/refresh', { method: 'POST' })
    const health = await gateway.request('/v1/mcp/server/health')
    expect(await health.json()).toMatchObject([{ server_name: 'good', status: 'unhealthy' }])
    expect(await gateway.json('/mcp-rest/tools/list')).toMatchObject({
      tools: [{ name: 'echo' }],
      _meta: { 'toolgate/outcomes': [{ status: 'stale', message: expect.stringContaining('"good"') }] },
    })
  })

  verifies('list:outcome-per-server', 'leaves out one bad tool and not the list that holds it', async () => {
    const tools = [
      { name: 'echo', inputSchema: { type: 'object' } },
      { name: 'bad', inputSchema: { type: 'string' } },
      7,
    ]
    await using server = await startRawMcpServer((request) =>
      request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
    )
    await using gateway = await boot({ config: { mcp_servers: { odd: { url: server.url } } } })
    const { tools: listed } = await gateway.json('/mcp-rest/tools/list')
    expect(listed).toMatchObject([{ name: 'echo' }])
  })
})

describe('a list while one server hangs', () => {
  verifies('list:fast', 'comes from memory, and asks nobody', async () => {
    await using good = await startRawMcpServer()
    await using silent = await startRawMcpServer()
    await using gateway = await boot({
      config: { mcp_servers: { good: { url: good.url }, silent: { url: silent.url } } },
    })
    silent.answer(() => 'hang')
    const asked = good.received('tools/list').length
    const started = performance.now()
    for (let count = 0; count < 20; count += 1) {
      const { tools } = await gateway.json('/mcp-rest/tools/list')
      expect(tools).toHaveLength(2)
    }
    // Twenty lists; one that waited for anybody would take a second or more by itself.
    expect(performance.now() - started).toBeLessThan(1_000)
    // Whatever a list had asked for would have arrived before these.
    await gateway.json('/mcp-rest/tools/call', callOf('good'))
    await gateway.json('/mcp-rest/tools/call', callOf('good'))
    expect(good.received('tools/list')).toHaveLength(asked)
    expect(silent.received('tools/list')).toHaveLength(1)
    silent.answer(() => undefined)
  })

  verifies(
    'list:fast',
    'of the other server does not wait, also where the hanging one has never been listed',
    async () => {
      await using good = await startRawMcpServer()
      await using silent = await hanging()
      await using gateway = await boot({
        clock: hurriedClock,
        config: { mcp_servers: { good: { url: good.url }, silent: { url: silent.url } } },
      })
      const order: string[] = []
      const all = gateway.json('/mcp-rest/tools/list').then(() => order.push('all'))
      for (let count = 0; count < 10; count += 1) await gateway.json('/mcp-rest/tools/list?server_id=good')
      order.push('good, ten times')
      await all
      expect(order).toEqual(['good, ten times', 'all'])
    },
  )

  verifies('list:fast', 'is read again in the background once a server says that its tools changed', async () => {
    await using server = await startMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { live: { url: server.url } } } })
    const listed = () => server.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/list').length
    await vi.waitFor(() => expect(server.requests.some(({ method }) => method === 'GET')).toBe(true))
    expect(listed()).toBe(1)
    await vi.waitFor(async () => {
      await server.announceTools()
      expect(listed()).toBeGreaterThan(1)
    }, 5_000)
    await gateway.json('/mcp-rest/tools/list')
  })
})

describe('a call', () => {
  verifies('call:no-discovery', 'lists no server, neither its own nor another, however it names the tool', async () => {
    await using one = await startRawMcpServer()
    await using other = await startRawMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { one: { url: one.url }, other: { url: other.url } } } })
    const before = [one, other].map((server) => server.received('tools/list').length)
    expect(before).toEqual([1, 1])
    await gateway.json('/mcp-rest/tools/call', callOf('one'))
    await gateway.json('/mcp/tools/call', { body: { name: 'one-echo', arguments: {} } })
    expect([one, other].map((server) => server.received('tools/list').length)).toEqual(before)
    expect(one.received('tools/call')).toHaveLength(2)
    expect(other.received('tools/call')).toHaveLength(0)
  })

  verifies('call:no-discovery', 'is answered while another server hangs in its very first listing', async () => {
    await using one = await startRawMcpServer()
    await using silent = await hanging()
    await using gateway = await boot({
      clock: hurriedClock,
      config: { mcp_servers: { one: { url: one.url }, silent: { url: silent.url } } },
    })
    const controller = new AbortController()
    const stuck = gateway.request('/mcp-rest/tools/list?server_id=silent', { signal: controller.signal })
    await gateway.json('/mcp-rest/tools/call', callOf('one'))
    await gateway.json('/mcp/tools/call', { body: { name: 'one-echo', arguments: {} } })
    expect(await Promise.race([stuck, Promise.resolve('still waiting')])).toBe('still waiting')
    controller.abort()
    expect((await stuck).status).toBe(499)
  })

  verifies('call:no-handshake', 'of fifty first ones at once shares one handshake', async () => {
    await using server = await startRawMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    const discovery = handshakesOf(server)
    await Promise.all(Array.from({ length: 50 }, () => gateway.json('/mcp-rest/tools/call', callOf('one'))))
    expect(handshakesOf(server)).toBe(discovery + 1)
    await gateway.json('/mcp-rest/tools/call', callOf('one'))
    expect(handshakesOf(server)).toBe(discovery + 1)
    expect(server.received('tools/call')).toHaveLength(51)
  })

  verifies('call:no-handshake', 'of many people shares one where the server keeps no session', async () => {
    await using server = await startMcpServer({ sessions: false })
    await using gateway = await boot({
      config: { mcp_servers: { one: { url: server.url, allow_all_keys: true } } },
    })
    const keys = await Promise.all([1, 2, 3].map(() => gateway.makeKey()))
    const discovery = server.handshakes
    for (const key of keys) await gateway.json('/mcp-rest/tools/call', { ...callOf('one'), key })
    expect(server.handshakes).toBe(discovery + 1)
  })
})
