import { type ProtectedMcpServer, startProtectedMcpServer } from '@toolgate/testing/mcp-protected'
import { newClientKey, type OidcServer, startOidcServer } from '@toolgate/testing/oidc-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { base, browse, wayOn } from './oauth-browser.ts'

/** Servers behind a real authorization server, which wants PKCE, `resource`, and each client to prove itself its own way. */
const behind = new AsyncDisposableStack()
const secret = 'secret-of-the-gateway-at-the-server'
const methods = ['client_secret_post', 'client_secret_basic', 'private_key_jwt'] as const
let oidc: OidcServer
let upstream: ProtectedMcpServer
let gateway: Booted
let key: string
beforeAll(async () => {
  const { pem, keyId, jwks } = await newClientKey()
  const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'tools' }
  oidc = behind.use(
    await startOidcServer({
      clients: methods.map((method) => ({
        ...machine,
        client_id: method,
        token_endpoint_auth_method: method,
        ...(method === 'private_key_jwt'
          ? { jwks, token_endpoint_auth_signing_alg: 'ES256' }
          : { client_secret: secret }),
      })),
    }),
  )
  upstream = behind.use(await startProtectedMcpServer(oidc))
  const { url } = upstream
  const users = { url, auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
  const machines = { url, auth_type: 'oauth2', oauth2_flow: 'client_credentials', scopes: ['tools'] }
  gateway = behind.use(
    await boot({
      config: {
        // What the server itself names passes the guard; both are on this machine.
        general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'], mcp_default_access: 'all' },
        mcp_servers: {
          open: { url },
          found: users,
          named: { ...users, issuer: oidc.issuer, resource: url, scopes: ['openid', 'tools'] },
          client_secret_post: {
            ...machines,
            issuer: oidc.issuer,
            resource: url,
            client_id: 'client_secret_post',
            client_secret: secret,
          },
          client_secret_basic: {
            ...machines,
            token_url: `${oidc.issuer}/token`,
            resource: url,
            token_endpoint_auth_method: 'client_secret_basic',
            client_id: 'client_secret_basic',
            client_secret: secret,
          },
          // Nothing but the address of the server: it says where, and what it is called there.
          private_key_jwt: {
            ...machines,
            client_id: 'private_key_jwt',
            client_private_key: pem,
            client_private_key_id: keyId,
          },
        },
      },
      env: { PROXY_BASE_URL: base },
    }),
  )
  key = await gateway.makeKey({ user_id: 'ada' })
})
afterAll(() => behind.disposeAsync())

const call = async (server: string, by = key) => {
  const body = { server_id: server, name: 'echo', arguments: {} }
  return (await gateway.request('/mcp-rest/tools/call', { key: by, body })).status
}
const outcome = async (server: string, by = key) =>
  (await gateway.request(`/mcp-rest/tools/list?mcp_server_name=${server}`, { key: by })).text()

const connect = async (server: string, by: string, as: string) => {
  oidc.person = { sub: as }
  const browser = browse(gateway)
  const page = await browser.send(await browser.open(`/connect/${server}`), { key: by })
  const link = wayOn(page.text)
  if (link === undefined) throw new Error(`no way on: ${page.text}`)
  return (await browser.open(await oidc.goThrough(link))).text
}

describe('a server behind a real authorization server', () => {
  verifies('m2m:client-proof', 'refuses who brings nothing, at discovery and at calls', async () => {
    expect(await call('open')).toBe(401)
    expect(await outcome('open')).toContain('upstream_sign_in_required')
  })

  for (const method of methods) {
    verifies(
      'm2m:client-proof',
      `takes the gateway’s own token, proven by ${method}, at discovery and at calls`,
      async () => {
        expect(await outcome(method)).toContain('"echo"')
        expect(await call(method)).toBe(200)
        expect(upstream.letIn).toContain(method)
      },
    )
  }

  for (const server of ['found', 'named']) {
    verifies(
      'oauth:user-tokens',
      `takes the token of whoever signed in there, each their own (${server})`,
      async () => {
        const eve = await gateway.makeKey({ user_id: 'eve' })
        for (const [by, as] of [
          [key, `ada-${server}`],
          [eve, `eve-${server}`],
        ] as const) {
          expect(await call(server, by)).toBe(401)
          expect(await connect(server, by, as)).toContain('is connected')
          expect(await call(server, by)).toBe(200)
          expect(upstream.letIn.at(-1)).toBe(as)
        }
        expect(await call(server)).toBe(200)
        expect(upstream.letIn.at(-1)).toBe(`ada-${server}`)
      },
    )
  }

  verifies('oauth:user-tokens-refresh', 'that refuses a token gets a new one for the refresh token', async () => {
    await connect('found', key, 'ada-found')
    expect(await call('found')).toBe(200)
    const bearer = upstream.requests.at(-1)?.headers.authorization ?? ''
    upstream.refuse(bearer.slice('Bearer '.length))
    expect(await call('found')).toBe(200)
    expect(upstream.requests.at(-1)?.headers.authorization).not.toBe(bearer)
    expect(upstream.letIn.at(-1)).toBe('ada-found')
  })

  verifies('oauth:user-tokens', 'lets whoever says no there stay outside', async () => {
    const gus = await gateway.makeKey({ user_id: 'gus' })
    oidc.person = 'nobody'
    const browser = browse(gateway)
    const page = await browser.send(await browser.open('/connect/named'), { key: gus })
    const link = wayOn(page.text) ?? ''
    expect((await browser.open(await oidc.goThrough(link))).text).toMatch(/did not let you in/)
    expect(await call('named', gus)).toBe(401)
  })

  verifies('identity:gateway-key-stays', 'sees no key of the gateway, nor does its authorization server', async () => {
    for (const { raw } of [...upstream.requests, ...oidc.requests])
      expect(raw).not.toMatch(/(?<![\w-])(?:sk-[\w-]{6}|tg(?:at|rt|ac)_)/)
    for (const { raw } of upstream.requests) expect(raw).not.toContain(secret)
  })
})
