import { startIdentityProvider } from '@toolgate/testing/identity-provider'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, textOf } from './oauth-browser.ts'

/** Session ids are no secrets: they stand in logs. Whoever has one and not its owner's credential has nothing. */
const behind = new AsyncDisposableStack()
let gateway: Booted
/** Who calls, and as what. */
let credentials: Readonly<Record<string, string>>
beforeAll(async () => {
  const provider = behind.use(await startIdentityProvider())
  const upstream = behind.use(await startRawMcpServer())
  gateway = behind.use(
    await boot({
      config: {
        general_settings: {
          enable_jwt_auth: true,
          litellm_jwtauth: { issuers: [{ issuer: provider.issuer, audience: 'toolgate' }] },
          mcp_default_access: 'all',
        },
        mcp_servers: { git: { url: upstream.url } },
      },
    }),
  )
  const [ada, eve] = [await gateway.makeKey({ user_id: 'ada' }), await gateway.makeKey({ user_id: 'eve' })]
  const tokenOf = async (key: string, resource = `${base}/mcp`) => {
    const client = clientOf(gateway)
    const clientId = await client.newClient()
    const end = await browse(gateway).allow(authorizeUrl(clientId, { resource }), key)
    const { body } = await client.exchange(end.searchParams.get('code') ?? '', { client_id: clientId })
    return textOf(body['access_token'])
  }
  credentials = {
    'the key of ada': ada,
    'a token of ada': await tokenOf(ada),
    'a key of nobody in particular': await gateway.makeKey(),
    'the key of eve': eve,
    'a token of eve': await tokenOf(eve),
    'a token of the provider for eve': await provider.sign({ sub: 'eve' }),
    'the master key': gateway.masterKey,
    'a token of ada for one server': await tokenOf(ada, `${base}/mcp/git`),
    'no credential': '',
  }
})
afterAll(() => behind.disposeAsync())

const send = (
  who: string,
  session: string | undefined,
  { method = 'POST', message = {} }: { method?: string; message?: object } = {},
) =>
  gateway.fetch(`${base}/mcp`, {
    method,
    headers: {
      authorization: `Bearer ${credentials[who] ?? ''}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    ...(method === 'POST' && { body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }) }),
  })
const open = async (who: string): Promise<string> => {
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
  const response = await send(who, undefined, { message: { method: 'initialize', params } })
  await response.body?.cancel()
  return response.headers.get('mcp-session-id') ?? ''
}
const statusOf = async (response: Response) => {
  await response.body?.cancel()
  return response.status
}

describe('the session of somebody', () => {
  for (const owner of ['the key of ada', 'a token of ada']) {
    verifies('mcp:session-owner', `is of no use with anything but the owner’s own credential: ${owner}`, async () => {
      const session = await open(owner)
      expect(session).not.toBe('')
      const strangers = Object.keys(credentials).filter((who) => !/^(?:the key|a token) of ada$/.test(who))
      for (const who of strangers) {
        for (const method of ['POST', 'GET', 'DELETE']) {
          const status = await statusOf(await send(who, session, { method, message: { method: 'tools/list' } }))
          expect([who, method, [401, 403].includes(status)]).toEqual([who, method, true])
        }
      }
      const ping = { message: { method: 'ping' } }
      expect(await statusOf(await send(owner, session, ping))).toBe(200)
    })
  }

  verifies('mcp:session-owner', 'cannot be chosen beforehand, nor guessed from another', async () => {
    const chosen = await statusOf(await send('the key of eve', 'session_chosen', { message: { method: 'ping' } }))
    expect(chosen).toBe(404)
    const ids = await Promise.all(Array.from({ length: 8 }, () => open('the key of eve')))
    expect(new Set(ids).size).toBe(8)
    for (const id of ids) expect(id.replace(/^\w*_/, '').length).toBeGreaterThanOrEqual(22)
  })
})
