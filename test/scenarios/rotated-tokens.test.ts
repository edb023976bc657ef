import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { startUserTokenWorld } from './user-token-world.ts'

const handshakes = (server: RawMcpServer) => server.received('initialize').length
const presented = (server: RawMcpServer) => server.received('tools/call').map(({ headers }) => headers.authorization)

describe('a user whose token changes', () => {
  verifies('call:no-handshake', 'keeps the session, where the key says whose the token is', async () => {
    await using server = await startRawMcpServer()
    await using gateway = await boot({
      config: { mcp_servers: { vault: { url: server.url, auth_type: 'oauth_delegate' } } },
    })
    const callWith = async (key: string) => {
      const before = handshakes(server)
      for (const token of ['first', 'second', 'third']) {
        const headers = { 'x-litellm-api-key': key, authorization: `Bearer ${token}` }
        await gateway.json('/mcp-rest/tools/list?mcp_server_name=vault', { key: null, headers })
        const body = { server_id: 'vault', name: 'echo', arguments: {} }
        await gateway.json('/mcp-rest/tools/call', { key: null, headers, body })
      }
      return handshakes(server) - before
    }
    const permission = { object_permission: { mcp_servers: ['vault'] } }
    expect(await callWith(await gateway.makeKey({ user_id: 'ada', ...permission }))).toBe(1)
    expect(presented(server)).toEqual(['Bearer first', 'Bearer second', 'Bearer third'])
    // Behind a key of nobody in particular another token may be somebody else's.
    expect(await callWith(await gateway.makeKey(permission))).toBe(3)
  })

  verifies('call:no-handshake', 'keeps the session, where the gateway renews the token of an account', async () => {
    await using world = await startUserTokenWorld()
    const { upstream } = world
    expect((await world.call()).status).toBe(200)
    const before = handshakes(upstream)
    world.pass(3_590)
    await expect
      .poll(
        async () => {
          await world.call()
          return presented(upstream).at(-1)
        },
        { timeout: 20_000 },
      )
      .toBe('Bearer token-2')
    expect(handshakes(upstream)).toBe(before)
  })
})
