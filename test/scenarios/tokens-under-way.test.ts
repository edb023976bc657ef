import type { JsonObject } from '@toolgate/core'
import { type FakeClock, fakeClock } from '@toolgate/testing/fake-clock'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, textOf } from './oauth-browser.ts'

const minuteMs = 60_000

let clock: FakeClock
let upstream: RawMcpServer
let gateway: Booted
beforeAll(async () => {
  clock = fakeClock(Date.now())
  upstream = await startRawMcpServer(({ message }) => (message['method'] === 'tools/call' ? 'hang' : undefined))
  gateway = await boot({
    clock,
    env: { PROXY_BASE_URL: base },
    // Longer than anything here takes.
    config: { mcp_servers: { repo: { url: upstream.url, timeout: 3_600 } } },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** A call that hangs, of a client that `key` let in. */
async function callUnderWay(key: string, metadata: JsonObject = {}) {
  const client = clientOf(gateway)
  const clientId = await client.newClient(metadata)
  const end = await browse(gateway).allow(authorizeUrl(clientId), key)
  const { body } = await client.exchange(textOf(end.searchParams.get('code')), { client_id: clientId })
  const token = textOf(body['access_token'])
  const before = upstream.received('tools/call').length
  const answering = gateway.request(`${base}/mcp/repo`, {
    key: null,
    // An answer that becomes a stream is one that was given.
    headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } },
  })
  const received = await vi.waitUntil(() => upstream.received('tools/call')[before], { timeout: 20_000 })
  return { answering, received, token, clientId }
}

/** Enough looks at who may still be here. */
async function look(most = 3) {
  for (let looks = 0; looks < most; looks += 1) {
    clock.advance(1_000)
    await gateway.json('/v1/mcp/server')
  }
}

describe('a call of an application that somebody let in', () => {
  verifies('keys:take-effect', 'goes on though its token runs out, which is renewed and not refused', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['repo'] } })
    const { answering, received, token } = await callUnderWay(key)
    clock.jump(61 * minuteMs)
    await look()
    const pending = Symbol('under way')
    expect(await Promise.race([received.closed, Promise.resolve(pending)])).toBe(pending)
    // Nothing new is let in with it.
    expect(await clientOf(gateway).ping('/mcp/repo', token)).toBe(401)

    await gateway.json('/key/block', { body: { key } })
    await look()
    expect(await (await answering).text()).toContain('Key is blocked')
    expect(await received.closed).toBe('abandoned')
  })

  verifies('keys:take-effect', 'goes on though its grant has ended, whoever is let in after that', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['repo'] } })
    const unrefreshed = { grant_types: ['authorization_code'] }
    const { answering, received } = await callUnderWay(key, unrefreshed)
    clock.jump(61 * minuteMs)
    const other = await callUnderWay(await gateway.makeKey({ object_permission: { mcp_servers: ['repo'] } }))
    // Beyond the minute for which a token is known without a look at the store.
    await look(70)
    const pending = Symbol('under way')
    expect(await Promise.race([received.closed, Promise.resolve(pending)])).toBe(pending)

    await gateway.json('/key/block', { body: { key } })
    await look()
    expect(await (await answering).text()).toContain('Key is blocked')
    expect(await Promise.race([other.received.closed, Promise.resolve(pending)])).toBe(pending)
    await clientOf(gateway).form('/revoke', { token: other.token, client_id: other.clientId })
    await look()
    expect(await other.received.closed).toBe('abandoned')
  })

  verifies('keys:take-effect', 'ends once the consent is taken back', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['repo'] } })
    const { answering, received, token, clientId } = await callUnderWay(key)
    expect((await clientOf(gateway).form('/revoke', { token, client_id: clientId })).status).toBe(200)
    await look()
    expect(await (await answering).text()).toContain('the access token is not accepted')
    expect(await received.closed).toBe('abandoned')
  })
})
