import { fakeClock } from '@toolgate/testing/fake-clock'
import { type ProtectedMcpServer, startProtectedMcpServer } from '@toolgate/testing/mcp-protected'
import { type OidcServer, startOidcServer } from '@toolgate/testing/oidc-server'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { connect, finish, type Line, sdkLines } from './mcp-sdk-lines.ts'
import { application } from './oauth-application.ts'
import { authorizeUrl, base, browse, callback, clientOf, textOf, wayOn } from './oauth-browser.ts'

/** Servers whose clients hold the server's own tokens: the gateway leads them there, keeps nothing, and lets nobody in without a key. */
const modes = {
  delegate: { auth_type: 'oauth_delegate' },
  through: { auth_type: 'true_passthrough' },
  passing: { oauth_passthrough: true },
  delegated: { auth_type: 'oauth2', delegate_auth_to_upstream: true },
} as const
const behind = new AsyncDisposableStack()
const log = recordingLog()
const secret = 'secret-of-the-gateway-there'
let oidc: OidcServer
let upstream: ProtectedMcpServer
let gateway: Booted
let key: string
let clientId: string
let config: object
beforeAll(async () => {
  oidc = behind.use(
    await startOidcServer({
      clients: [
        {
          client_id: 'toolgate',
          client_secret: secret,
          redirect_uris: [`${base}/callback`],
          grant_types: ['authorization_code', 'refresh_token'],
        },
      ],
    }),
  )
  upstream = behind.use(await startProtectedMcpServer(oidc))
  const { url } = upstream
  const servers = Object.entries(modes).map(([name, mode]) => [name, { url, ...mode }] as const)
  const named = {
    client_id: 'toolgate',
    client_secret: secret,
    issuer: oidc.issuer,
    resource: url,
    scopes: ['openid', 'tools'],
  }
  const mcp_servers = { ...Object.fromEntries(servers), named: { url, ...modes.delegate, ...named } }
  const general_settings = { mcp_allowed_private_networks: ['127.0.0.0/8'] }
  config = { general_settings, mcp_servers }
  gateway = behind.use(await boot({ config, log, env: { PROXY_BASE_URL: base } }))
  key = await gateway.makeKey({ object_permission: { mcp_servers: Object.keys(mcp_servers) } })
  clientId = await client().newClient()
})
afterAll(() => behind.disposeAsync())

const useTools = async (line: Line): Promise<unknown> => {
  await connect(line)
  const called = await line.client.callTool({ name: 'echo', arguments: {} })
  await line.client.close()
  return called
}

/** The gateway's page with the key, the server's own sign-in, and back to the client. */
const signIn = async (url: string | URL, as: string, { by = key, at = gateway } = {}): Promise<URL> => {
  oidc.person = { sub: as }
  const browser = browse(at)
  const page = await browser.send(await browser.open(url), { key: by, decision: 'allow' })
  const link = wayOn(page.text)
  if (link === undefined) throw new Error(`no way on: ${page.text} ${String(page.location)}`)
  const { location, text } = await browser.open(await oidc.goThrough(link))
  if (location === undefined) throw new Error(`not let in: ${text}`)
  return location
}

describe('a server whose clients hold its tokens', () => {
  for (const [line, make] of Object.entries(sdkLines)) {
    for (const server of Object.keys(modes)) {
      verifies('oauth:relay', `leads a client of ${line} there, which calls and refreshes (${server})`, async () => {
        const editor = application()
        const signsIn = { authProvider: editor, headers: { 'x-litellm-api-key': key } }
        const as = `ada-${server}`
        const url = new URL(`/mcp/${server}`, base)
        const first = make(gateway, url, signsIn)
        await expect(useTools(first)).rejects.toThrow(/nauthorized/)
        expect(editor.sentTo).toMatch(new RegExp(`^${base}/${server}/authorize\\?`))
        await finish(first.transport, await signIn(editor.sentTo, as))

        expect(await useTools(make(gateway, url, signsIn))).toMatchObject({ content: [{ text: '{}' }] })
        expect(upstream.letIn.at(-1)).toBe(as)
        expect(upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${editor.token}`)

        const [former, formerRefresh] = [editor.token, editor.refreshToken]
        editor.loseAccessToken('forgotten')
        await useTools(make(gateway, url, signsIn))
        expect([former, 'forgotten']).not.toContain(editor.token)
        expect(editor.refreshToken).not.toBe(formerRefresh)
        expect(upstream.letIn.at(-1)).toBe(as)
      })
    }
  }

  verifies(
    'oauth:relay',
    'says to whoever has a key and no token where to sign in, and not what the server says',
    async () => {
      const response = await list(`${base}/mcp/delegate`, { key })
      expect(response.status).toBe(401)
      const challenge = `Bearer resource_metadata="${base}/.well-known/oauth-protected-resource/mcp/delegate"`
      expect(response.headers.get('www-authenticate')).toBe(challenge)
      const refused = await list(`${base}/mcp/delegate`, { key, headers: { authorization: 'Bearer stale' } })
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, challenge])
    },
  )

  verifies('oauth:relay', 'lets nobody in for the server’s token alone: callers are the gateway’s first', async () => {
    const before = upstream.requests.length
    const { body } = await exchanged(await signIn(authorize('named'), 'eve'))
    const token = textOf(body['access_token'])
    const authorization = `Bearer ${token}`
    expect((await list('/mcp/named', { key: null, headers: { authorization } })).status).toBe(401)
    expect(upstream.requests.length).toBe(before)
    const headers = { authorization, 'x-litellm-api-key': key }
    expect((await list('/mcp/named', { key: null, headers })).status).toBe(200)
  })

  verifies(
    'oauth:relay',
    'is for a key that may use it; whose may not, learns nothing and gets no token of it',
    async () => {
      const other = await gateway.makeKey({ object_permission: { mcp_servers: [] } })
      const browser = browse(gateway)
      const { location } = await browser.send(await browser.open(authorize('named')), { key: other, decision: 'allow' })
      const { body } = await exchanged(location ?? new URL(callback))
      expect(body['access_token']).toMatch(/^tgat_/)
    },
  )
})

const client = () => clientOf(gateway)
const authorize = (server: string, id = clientId): URL =>
  new URL(`/${server}${authorizeUrl(id, { resource: `${base}/mcp/${server}` }).href.slice(base.length)}`, base)
const exchanged = async (end: URL, fields: Record<string, string> = {}) =>
  client().exchange(end.searchParams.get('code') ?? '', { client_id: clientId, ...fields }, '/named/token')
const list = (path: string, { headers = {}, ...by }: { key: string | null; headers?: Record<string, string> }) =>
  gateway.request(path, {
    ...by,
    headers: { accept: 'application/json, text/event-stream', ...headers },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
  })

describe('what a relayed sign-in hands out', () => {
  const refusal = { status: 400, body: { error: 'invalid_grant' } }

  verifies('oauth:attacks', 'is of use to the client it was given to, with its verifier, once', async () => {
    const other = await client().newClient()
    const end = await signIn(authorize('named'), 'ada')
    expect(end.searchParams.get('iss')).toBe(`${base}/named`)
    for (const fields of [
      { client_id: other },
      { code_verifier: 'x'.repeat(43) },
      { redirect_uri: 'http://127.0.0.1:6666/callback' },
    ]) {
      expect({ ...(await exchanged(end, fields)), fields }).toMatchObject(refusal)
    }
    const elsewhere = await exchanged(end, { resource: `${base}/mcp/delegate` })
    expect(elsewhere).toMatchObject({ status: 400, body: { error: 'invalid_target' } })
    const { body } = await exchanged(end)
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3600 })
    expect(await exchanged(end)).toMatchObject(refusal)
    const refresh = textOf(body['refresh_token'])
    expect(await client().refresh(refresh, other)).toMatchObject(refusal)
    expect(await client().refresh(`${refresh.slice(0, -4)}AAAA`, clientId)).toMatchObject(refusal)
  })

  verifies('oauth:relay', 'ends at the server where its client revokes it, and for no other client', async () => {
    for (const server of ['named', 'delegate']) {
      const end = await signIn(authorize(server), 'ada')
      const code = { client_id: clientId }
      const { body } = await client().exchange(textOf(end.searchParams.get('code')), code, `/${server}/token`)
      const token = textOf(body['refresh_token'])
      const revoke = (client_id: string) => client().form(`/${server}/revoke`, { token, client_id })
      const asked = () => oidc.requests.filter(({ path }) => path.startsWith('/token/revocation')).length
      const before = asked()
      expect((await revoke(await client().newClient())).status).toBe(200)
      expect(asked()).toBe(before)
      expect((await revoke(clientId)).status).toBe(200)
      expect(asked()).toBe(before + 1)
      expect(await client().refresh(token, clientId)).toMatchObject(refusal)
      // RFC 7009 §2.2: what has ended already is no error.
      expect((await revoke(clientId)).status).toBe(200)
    }
  })

  verifies('oauth:attacks', 'ends with the key, with what the key may use, and after half a year', async () => {
    const clock = fakeClock(Date.now())
    await using here = await boot({ config, clock, env: { PROXY_BASE_URL: base } })
    const id = await clientOf(here).newClient()
    const exchange = async (end: URL) =>
      clientOf(here).exchange(textOf(end.searchParams.get('code')), { client_id: id }, '/named/token')
    const refresh = (token: unknown) =>
      clientOf(here).form('/named/token', {
        grant_type: 'refresh_token',
        refresh_token: textOf(token),
        client_id: id,
      })
    const permission = { object_permission: { mcp_servers: ['named'] } }
    const mine = await here.makeKey(permission)
    const end = await signIn(authorize('named', id), 'ada', { by: mine, at: here })
    const { body } = await exchange(end)
    const kept = await refresh(body['refresh_token'])
    expect(kept.status).toBe(200)

    const asked = oidc.requests.length
    await here.json('/key/update', { body: { key: mine, object_permission: { mcp_servers: [] } } })
    expect(await refresh(kept.body['refresh_token'])).toMatchObject(refusal)
    await here.json('/key/update', { body: { key: mine, blocked: true, ...permission } })
    expect(await refresh(kept.body['refresh_token'])).toMatchObject(refusal)
    await here.json('/key/update', { body: { key: mine, blocked: false } })
    clock.jump(180 * 24 * 60 * 60_000)
    expect(await refresh(kept.body['refresh_token'])).toMatchObject(refusal)
    clock.jump(-180 * 24 * 60 * 60_000)
    expect(oidc.requests.length).toBe(asked)
    const late = await signIn(authorize('named', id), 'ada', { by: mine, at: here })
    const before = oidc.requests.length
    await here.json('/key/delete', { body: { keys: [mine] } })
    expect(await exchange(late)).toMatchObject(refusal)
    expect(await refresh(kept.body['refresh_token'])).toMatchObject(refusal)
    expect(oidc.requests.length).toBe(before)
  })

  verifies('oauth:attacks', 'is asked for anew for each client, though all are one client to the server', async () => {
    await signIn(authorize('named'), 'ada')
    const other = await client().newClient({ client_name: 'Somebody else', redirect_uris: ['http://127.0.0.1:7777/x'] })
    const before = oidc.requests.length
    const asked = authorize('named', other)
    asked.searchParams.set('redirect_uri', 'http://127.0.0.1:7777/x')
    const page = await browse(gateway).open(asked)
    expect([page.status, page.location, oidc.requests.length]).toEqual([200, undefined, before])
    expect(page.text).toContain('Somebody else')
    expect(page.text).toContain('http://127.0.0.1:7777/x')
  })

  verifies('oauth:attacks', 'ends in the browser it began in', async () => {
    oidc.person = { sub: 'ada' }
    const browser = browse(gateway)
    const page = await browser.send(await browser.open(authorize('named')), { key, decision: 'allow' })
    const link = wayOn(page.text) ?? ''
    const back = await oidc.goThrough(link)
    const stolen = await browse(gateway).open(back)
    expect([stolen.status, stolen.location]).toEqual([400, undefined])
    back.searchParams.set('iss', 'https://elsewhere.example')
    const mixed = await browser.open(back)
    const { status } = await exchanged(mixed.location ?? new URL(callback))
    expect(status).toBeGreaterThanOrEqual(400)
  })

  verifies('identity:gateway-key-stays', 'is all that leaves: no key, code or token of the gateway', async () => {
    for (const { raw } of [...upstream.requests, ...oidc.requests]) {
      // Sealed states are long and random: by chance any three characters are in the middle of one.
      expect(raw).not.toMatch(/(?<![\w-])(?:sk-[\w-]{6}|tg(?:at|rt|ac|rc|rr)_)/)
    }
    for (const { raw } of upstream.requests) expect(raw).not.toContain(secret)
    expect(log.lines.join('\n')).not.toMatch(/tg(?:at|rt|ac|rc|rr)_[\w-]{8}/)
  })
})

describe('an authorization server that only the server names', () => {
  verifies('oauth:attacks', 'is not dialled where it is inside, whatever leads there', async () => {
    const inside: string[] = []
    await using there = await serveOnLoopback((request) => {
      inside.push(request.url)
      return Response.json({})
    })
    const named = there.origin
    await using liar = await startRawMcpServer(({ path, method }) => {
      if (!path.startsWith('/.well-known/')) return undefined
      if (path.includes('redirect')) return { status: 302, headers: { location: named } }
      return method === 'GET' ? { body: { resource: liar.url, authorization_servers: [named] } } : undefined
    })
    await using here = await boot({
      config: { mcp_servers: { liar: { url: liar.url, auth_type: 'oauth_delegate' } } },
      env: { PROXY_BASE_URL: base },
    })
    const by = await here.makeKey({ object_permission: { mcp_servers: ['liar'] } })
    const id = await clientOf(here).newClient()
    const browser = browse(here)
    const asked = new URL(`/liar${authorizeUrl(id, { resource: `${base}/mcp/liar` }).href.slice(base.length)}`, base)
    const page = await browser.send(await browser.open(asked), { key: by, decision: 'allow' })
    expect([page.status >= 400, page.location]).toEqual([true, undefined])
    expect(inside).toEqual([])
  })
})
