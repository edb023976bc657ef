import { type FakeClock, fakeClock } from '@toolgate/testing/fake-clock'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const hour = 3_600_000
const day = 24 * hour
const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: {} } })

/** Jumps of the wall clock: a time server that was away, an operator, a machine that was asleep. */
const jumps = [
  ['a day ahead', day],
  ['an hour ahead', hour],
  ['an hour back', -hour],
  ['a day back', -day],
] as const

describe.each(jumps)('a clock that jumps %s', (_, jumpMs) => {
  let clock: FakeClock
  let oauth: OauthServer
  let server: RawMcpServer
  let broken: RawMcpServer
  let gateway: Booted
  beforeAll(async () => {
    clock = fakeClock()
    oauth = await startOauthServer()
    server = await startRawMcpServer()
    broken = await startRawMcpServer(() => ({ status: 500 }))
    const token = { auth_type: 'oauth2', token_url: oauth.tokenUrl, client_id: 'gate', client_secret: 'hush' }
    const mcp_servers = {
      one: { url: server.url },
      guarded: { url: server.url, ...token },
      down: { url: broken.url },
    }
    gateway = await boot({ clock, config: { mcp_servers } })
  })
  afterAll(async () => {
    for (const resource of [gateway, server, broken, oauth]) await resource[Symbol.asyncDispose]()
  })

  verifies('clock:jumps', 'ends keys when the clock says so, not sooner and not later', async () => {
    const lasting = await gateway.makeKey({ duration: '2d' })
    const short = await gateway.makeKey({ duration: '30m' })
    const statusWith = async (key: string) => (await gateway.request('/v1/models', { key })).status
    expect([await statusWith(lasting), await statusWith(short)]).toEqual([200, 200])
    clock.jump(jumpMs)
    expect([await statusWith(lasting), await statusWith(short)]).toEqual([200, jumpMs > 0 ? 401 : 200])
    const made = await gateway.makeKey({ duration: '30m' })
    expect(await statusWith(made)).toBe(200)
    clock.jump(31 * 60_000)
    expect(await statusWith(made)).toBe(401)
  })

  verifies('clock:jumps', 'neither prolongs nor shortens the life of an access token', async () => {
    await gateway.json('/mcp-rest/tools/call', callOf('guarded'))
    const minted = oauth.requests.length
    clock.jump(jumpMs)
    await gateway.json('/mcp-rest/tools/call', callOf('guarded'))
    expect(oauth.requests).toHaveLength(minted)
    clock.advance(hour)
    await gateway.json('/mcp-rest/tools/call', callOf('guarded'))
    expect(oauth.requests.length).toBeGreaterThan(minted)
  })

  verifies('clock:jumps', 'stops neither the refreshing of lists nor attempts at a server that was down', async () => {
    const lists = () => server.received('tools/list').length
    const attempts = () => broken.requests.length
    const before = { lists: lists(), attempts: attempts() }
    clock.jump(jumpMs)
    // Longer than a list lives, and than a failed server is left alone at first; each time with enough for answers to come.
    await vi.waitFor(
      () => {
        clock.advance(60_000)
        expect(lists()).toBeGreaterThan(before.lists)
        expect(attempts()).toBeGreaterThan(before.attempts)
      },
      { timeout: 50_000, interval: 200 },
    )
    expect((await gateway.request('/mcp-rest/tools/call', callOf('one'))).status).toBe(200)
  })
})
