import { type Clock, systemClock } from '@toolgate/core'
import { startRawMcpServer, startSilentPort } from '@toolgate/testing/mcp-raw'
import { startOauthServer } from '@toolgate/testing/oauth-server'
import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** Only the start is hurried, which waits a moment for first lists: what is measured here is timed by sockets. */
const impatientStart: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs <= 3_000 ? delayMs / 100 : delayMs, run),
}

const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: {} } })

/** Real bounds of ten seconds; they pass for all at once. */
describe.concurrent('an upstream that hangs costs its own callers ten seconds, and nobody else anything,', () => {
  verifies('timeouts:named', 'while it is connected to, however many callers there are', async () => {
    await using port = await startSilentPort()
    await using good = await startRawMcpServer()
    await using gateway = await boot({
      clock: impatientStart,
      config: {
        mcp_servers: { stuck: { url: port.url }, good: { url: good.url } },
        general_settings: { mcp_default_access: 'all' },
      },
    })
    // Each has a connection of its own to make.
    const keys = await Promise.all([1, 2, 3].map(() => gateway.makeKey()))
    const order: string[] = []
    const failing = keys.map(async (key) => {
      const answer = await gateway.json('/mcp-rest/tools/call', { ...callOf('stuck'), key, status: 504 })
      order.push('stuck')
      return answer
    })
    for (let count = 0; count < 30; count += 1) await gateway.json('/mcp-rest/tools/call', callOf('good'))
    order.push('good, thirty times')
    for (const answer of await Promise.all(failing)) {
      expect(answer).toMatchObject({
        detail: {
          error: 'upstream_timeout',
          server: 'stuck',
          stage: 'connect',
          message: expect.stringContaining('"stuck"'),
        },
      })
    }
    expect(order[0]).toBe('good, thirty times')
  })

  verifies('timeouts:named', 'while a token is fetched for it', async () => {
    await using idp = await startOauthServer()
    idp.answer(() => 'hang')
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({
      clock: impatientStart,
      config: {
        mcp_servers: {
          stuck: {
            url: upstream.url,
            auth_type: 'oauth2',
            token_url: idp.tokenUrl,
            client_id: 'id',
            client_secret: 'the-secret',
          },
          good: { url: upstream.url },
        },
      },
    })
    const order: string[] = []
    const failing = gateway.json('/mcp-rest/tools/call', { ...callOf('stuck'), status: 502 })
    const noted = failing.finally(() => order.push('stuck'))
    for (let count = 0; count < 30; count += 1) await gateway.json('/mcp-rest/tools/call', callOf('good'))
    order.push('good, thirty times')
    expect(await noted).toMatchObject({
      detail: {
        error: 'upstream_token_unavailable',
        server: 'stuck',
        stage: 'credential',
        message: expect.stringContaining(`${idp.host} did not answer within 10 s`),
      },
    })
    expect(order[0]).toBe('good, thirty times')
  })
})
