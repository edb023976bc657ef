import { type RawDecision, type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { hurriedClock, type HurriedClock } from './faults/hurried-clock.ts'

/** Every bound at a fiftieth of its time. */
const hurry = 50

const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: {} } })

const hangAt =
  (method: string): RawDecision =>
  ({ message }) =>
    message['method'] === method ? 'hang' : undefined

/** Calls the hanging server and the good one: the good one answers before a bound of anything has passed. */
async function callBoth(gateway: Booted, clock: HurriedClock, good: RawMcpServer) {
  let ended = false
  const failing = gateway.request('/mcp-rest/tools/call', callOf('stuck')).finally(() => (ended = true))
  await clock.still(() =>
    Promise.all(Array.from({ length: 30 }, () => gateway.json('/mcp-rest/tools/call', callOf('good')))),
  )
  expect(good.received('tools/call')).toHaveLength(30)
  expect(ended).toBe(false)
  const answer = await failing
  return { status: answer.status, body: await answer.json() }
}

describe('an upstream that hangs costs its own callers the bound of that stage, and nobody else anything:', () => {
  verifies('timeouts:named', 'while it shakes hands', async () => {
    await using stuck = await startRawMcpServer(hangAt('initialize'))
    await using good = await startRawMcpServer()
    const clock = hurriedClock(hurry)
    await using gateway = await boot({
      clock,
      config: { mcp_servers: { stuck: { url: stuck.url }, good: { url: good.url } } },
    })
    const { status, body } = await callBoth(gateway, clock, good)
    expect(status).toBe(504)
    expect(body).toMatchObject({
      detail: {
        error: 'upstream_timeout',
        server: 'stuck',
        stage: 'handshake',
        message: expect.stringContaining('30000 ms: the MCP handshake'),
      },
    })
  })

  verifies('timeouts:named', 'while it lists', async () => {
    await using stuck = await startRawMcpServer(hangAt('tools/list'))
    await using good = await startRawMcpServer()
    const clock = hurriedClock(hurry)
    await using gateway = await boot({
      clock,
      env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '20' },
      config: { mcp_servers: { stuck: { url: stuck.url }, good: { url: good.url } } },
    })
    let ended = false
    const listing = gateway.json('/mcp-rest/tools/list?server_id=stuck', { status: 504 }).finally(() => (ended = true))
    await clock.still(async () => {
      await gateway.json('/mcp-rest/tools/list?server_id=good')
      // Its own calls need no list.
      await gateway.json('/mcp-rest/tools/call', callOf('stuck'))
    })
    expect(ended).toBe(false)
    expect(await listing).toMatchObject({
      detail: { error: 'upstream_timeout', server: 'stuck', message: expect.stringMatching(/"stuck".* 20000 ms/) },
    })
  })

  verifies('timeouts:named', 'while it is called', async () => {
    await using stuck = await startRawMcpServer(hangAt('tools/call'))
    await using good = await startRawMcpServer()
    const clock = hurriedClock(hurry)
    await using gateway = await boot({
      clock,
      config: { mcp_servers: { stuck: { url: stuck.url, timeout: 25 }, good: { url: good.url } } },
    })
    const { status, body } = await callBoth(gateway, clock, good)
    expect(status).toBe(504)
    expect(body).toMatchObject({
      detail: {
        error: 'upstream_timeout',
        server: 'stuck',
        stage: 'call',
        message: expect.stringContaining('25000 ms: the call'),
      },
    })
    // A call that ran out of time is given up at the upstream too, and never made again.
    expect(stuck.received('tools/call')).toHaveLength(1)
    expect(await stuck.received('tools/call')[0]?.closed).toBe('abandoned')
  })
})

describe('an upstream that cannot be had', () => {
  verifies(
    'faults:contained',
    'is answered with the status that says whose fault it is, naming server and stage',
    async () => {
      const answers: Record<string, RawDecision> = {
        crashes: ({ message }) =>
          message['method'] === 'tools/call' ? { status: 500, body: '<html>oops</html>' } : undefined,
        busy: ({ message }) => (message['method'] === 'tools/call' ? { status: 503 } : undefined),
        refuses: ({ message }) => (message['method'] === 'tools/call' ? { status: 401 } : undefined),
        forbids: ({ message }) => (message['method'] === 'tools/call' ? { status: 403 } : undefined),
        babbles: ({ message }) =>
          message['method'] === 'tools/call'
            ? { body: 'no json', headers: { 'content-type': 'application/json' } }
            : undefined,
        pages: () => ({ headers: { 'content-type': 'text/html' }, body: '<html></html>' }),
        redirects: () => ({ status: 302, headers: { location: 'http://127.0.0.1:9/elsewhere' } }),
      }
      await using upstream = await startRawMcpServer((request) => answers[request.path.slice(1)]?.(request))
      const servers = Object.fromEntries(
        Object.keys(answers).map((name) => [
          name,
          {
            url: new URL(`/${name}`, upstream.url).href,
            auth_type: 'bearer_token',
            authentication_token: 'its-credential',
          },
        ]),
      )
      await using gateway = await boot({ config: { mcp_servers: servers } })
      const expected = {
        crashes: ['upstream_protocol_error', 'call'],
        busy: ['upstream_unreachable', 'call'],
        refuses: ['upstream_credential_rejected', 'call'],
        forbids: ['upstream_credential_rejected', 'call'],
        babbles: ['upstream_protocol_error', 'call'],
        pages: ['upstream_protocol_error', 'handshake'],
        redirects: ['upstream_protocol_error', 'handshake'],
      }
      for (const [server, [error, stage]] of Object.entries(expected)) {
        const answer = await gateway.json('/mcp-rest/tools/call', { ...callOf(server), status: 502 })
        expect(answer).toMatchObject({
          detail: { error, stage, server, message: expect.stringContaining(`"${server}"`) },
        })
        expect(JSON.stringify(answer)).not.toMatch(/its-credential|oops|no json/)
      }
    },
  )

  verifies(
    'faults:contained',
    'wants a sign-in only where the credential was nobody’s or the caller’s own',
    async () => {
      await using upstream = await startRawMcpServer(() => ({ status: 401 }))
      await using gateway = await boot({ config: { mcp_servers: { open: { url: upstream.url } } } })
      for (const headers of [{}, { 'x-mcp-open-authorization': 'Bearer expired' }]) {
        expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('open'), headers, status: 401 })).toMatchObject({
          detail: { error: 'upstream_sign_in_required', server: 'open' },
        })
      }
    },
  )

  verifies(
    'faults:contained',
    'at a port where nobody listens is unreachable at once, in the connect stage',
    async () => {
      const gone = await startRawMcpServer()
      await gone[Symbol.asyncDispose]()
      await using gateway = await boot({ config: { mcp_servers: { gone: { url: gone.url } } } })
      expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('gone'), status: 502 })).toMatchObject({
        detail: { error: 'upstream_unreachable', server: 'gone', stage: 'connect' },
      })
    },
  )
})
