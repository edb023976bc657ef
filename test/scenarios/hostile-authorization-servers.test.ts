import { createServer } from 'node:net'
import { authorizationServerMetadata } from '@toolgate/testing/authorization-server-metadata'
import { type LoopbackServer, serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { newClientKey } from '@toolgate/testing/oidc-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, wayOn } from './oauth-browser.ts'

/** Authorization servers that MCP servers name, each with a vice of its own. One address is permitted; what is next to it is inside. */
const behind = new AsyncDisposableStack()
const log = recordingLog()
let knocks = 0
let inside: string
let servers: LoopbackServer
let upstream: RawMcpServer
let gateway: Booted
let key: string

const sound = (issuer: string) => ({
  ...authorizationServerMetadata(issuer),
  registration_endpoint: `${issuer}/register`,
  authorization_response_iss_parameter_supported: true,
})
type Vice = (issuer: string) => object | string | Response
const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
const moved = () => new Response(null, { status: 302, headers: { location: `${inside}/metadata` } })

/** Those that are found out before a browser is sent anywhere. */
const vices: Readonly<Record<string, Vice>> = {
  'registers inside': (issuer) => ({ ...sound(issuer), registration_endpoint: `${inside}/register` }),
  'moves inside': moved,
  'moves to itself': (issuer) => new Response(null, { status: 307, headers: { location: `${issuer}/elsewhere` } }),
  'has a script for an address': (issuer) => ({ ...sound(issuer), authorization_endpoint: 'javascript:alert(1)' }),
  'has a file for a token endpoint': (issuer) => ({ ...sound(issuer), token_endpoint: 'file:///etc/passwd' }),
  'takes a plain challenge alone': (issuer) => ({ ...sound(issuer), code_challenge_methods_supported: ['plain'] }),
  'is another': (issuer) => ({ ...sound(issuer), issuer: `${issuer}-of-somebody-else` }),
  'answers without end': (issuer) => ({ ...sound(issuer), filler: 'x'.repeat(400_000) }),
  'answers with a page': () => '<html>Sign in</html>',
  'answers with a list': () => '[]',
  'answers with nothing': () => 'null',
  'answers in depth': () => deep(50_000),
  'answers with other kinds': (issuer) => ({ ...sound(issuer), token_endpoint: 7, response_types_supported: 'code' }),
}
/** Those that show themselves at the end. */
const late: Readonly<Record<string, Vice>> = {
  'gives tokens inside': (issuer) => ({ ...sound(issuer), token_endpoint: `${inside}/token` }),
  'has tokens fetched from elsewhere': (issuer) => ({ ...sound(issuer), token_endpoint: `${issuer}/token-moved` }),
  'answers to a code with a page': (issuer) => ({ ...sound(issuer), token_endpoint: `${issuer}/token-page` }),
  'answers to a code without end': (issuer) => ({ ...sound(issuer), token_endpoint: `${issuer}/token-endless` }),
  'gives a token with a line break': (issuer) => ({ ...sound(issuer), token_endpoint: `${issuer}/token-broken` }),
  'gives no token': (issuer) => ({ ...sound(issuer), token_endpoint: `${issuer}/token-none` }),
}
const all = Object.entries({ ...vices, ...late })
const slug = (vice: string) => vice.replaceAll(' ', '-')
const nameOf = (vice: string) => `s${all.findIndex(([name]) => name === vice)}`

function authorizationServer(request: Request): Response {
  const { origin, pathname } = new URL(request.url)
  const token = /\/(token-\w+)$/.exec(pathname)?.[1]
  if (token === 'token-moved') return moved()
  if (token === 'token-page') return new Response('<html>')
  if (token === 'token-endless') return Response.json({ access_token: 'a', filler: 'x'.repeat(400_000) })
  if (token === 'token-broken') return Response.json({ access_token: 'a\r\nx-evil: 1', token_type: 'Bearer' })
  if (token === 'token-none') return Response.json({ token_type: 'Bearer' })
  if (pathname.endsWith('/register')) {
    return Response.json({ client_id: 'here', redirect_uris: [`${base}/callback`] }, { status: 201 })
  }
  const found = all.find(([vice]) => pathname.endsWith(`/${slug(vice)}`))
  const answer = pathname.startsWith('/.well-known/') ? found?.[1](`${origin}/${slug(found[0])}`) : undefined
  if (answer === undefined) return new Response(null, { status: 404 })
  return answer instanceof Response
    ? answer
    : new Response(typeof answer === 'string' ? answer : JSON.stringify(answer))
}

beforeAll(async () => {
  const listener = createServer((socket) => {
    knocks += 1
    socket.destroy()
  })
  // Loopback as well, and another address than the one that is permitted.
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.2', resolve))
  behind.defer(() => new Promise<void>((resolve) => listener.close(() => resolve())))
  const address = listener.address()
  inside = `http://127.0.0.2:${typeof address === 'object' && address !== null ? address.port : 0}`
  servers = behind.use(await serveOnLoopback(authorizationServer))
  upstream = behind.use(
    await startRawMcpServer(({ path, method }) => {
      const vice = all.find(([name]) => path.endsWith(`/${slug(name)}`))?.[0]
      if (method !== 'GET' || vice === undefined) return { status: method === 'GET' ? 404 : 401 }
      const resource = `${new URL(upstream.url).origin}/${slug(vice)}`
      return { body: { resource, authorization_servers: [`${servers.origin}/${slug(vice)}`] } }
    }),
  )
  const { pem } = await newClientKey()
  const { origin } = new URL(upstream.url)
  const machine = { auth_type: 'oauth2', oauth2_flow: 'client_credentials', client_id: 'x', client_private_key: pem }
  const user = { auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
  const entries = all.flatMap(([vice]) => {
    const url = `${origin}/${slug(vice)}`
    const of = { user, relay: { auth_type: 'oauth_delegate' }, machine }
    return Object.entries(of).map(([kind, auth]) => [`${nameOf(vice)}_${kind}`, { url, ...auth }] as const)
  })
  gateway = behind.use(
    await boot({
      config: {
        general_settings: { mcp_allowed_private_networks: ['127.0.0.1/32'] },
        mcp_servers: Object.fromEntries(entries),
      },
      env: { PROXY_BASE_URL: base },
      log,
    }),
  )
  key = await gateway.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
})
afterAll(() => behind.disposeAsync())

const isFault = (text: string) => /role="alert"/.test(text)

/** The page on which a user connects an account, or the sign-in of a client by way of the gateway, up to where it leads out. */
const leaving = {
  user: async (server: string) => {
    const browser = browse(gateway)
    return { browser, page: await browser.send(await browser.open(`/connect/${server}`), { key }) }
  },
  relay: async (server: string) => {
    const browser = browse(gateway)
    const asked = authorizeUrl(await clientId(), { resource: `${base}/mcp/${server}` })
    return { browser, page: await browser.send(await browser.open(asked), { key, decision: 'allow' }) }
  },
}
let known: string | undefined
const clientId = async () => (known ??= await clientOf(gateway).newClient())

describe('an authorization server that only the MCP server names', () => {
  for (const vice of Object.keys(vices)) {
    verifies('oauth:hostile-servers', `gets nobody, and nothing inside is touched, where it ${vice}`, async () => {
      for (const [kind, leave] of Object.entries(leaving)) {
        const { page } = await leave(`${nameOf(vice)}_${kind}`)
        expect([kind, page.status >= 400, page.location, wayOn(page.text)]).toEqual([kind, true, undefined, undefined])
        expect(isFault(page.text)).toBe(true)
      }
      expect(knocks).toBe(0)
    })
  }

  for (const vice of Object.keys(late)) {
    verifies(
      'oauth:hostile-servers',
      `gives nothing that counts, and nothing inside is touched, where it ${vice}`,
      async () => {
        const { browser, page } = await leaving.user(`${nameOf(vice)}_user`)
        const link = new URL(wayOn(page.text) ?? '')
        const back = new URL('/callback', base)
        const iss = `${servers.origin}/${slug(vice)}`
        back.search = String(new URLSearchParams({ code: 'c', state: link.searchParams.get('state') ?? '', iss }))
        const end = await browser.open(back)
        expect([end.status >= 400, isFault(end.text)]).toEqual([true, true])
        const at = `/v1/mcp/server/${nameOf(vice)}_user/oauth-user-credential/status`
        expect(await gateway.json(at, { key })).toMatchObject({ has_credential: false })

        const relayed = await leaving.relay(`${nameOf(vice)}_relay`)
        const state = new URL(wayOn(relayed.page.text) ?? '').searchParams.get('state') ?? ''
        back.search = String(new URLSearchParams({ code: 'c', state, iss }))
        const code = (await relayed.browser.open(back)).location?.searchParams.get('code') ?? ''
        const { status, body } = await clientOf(gateway).exchange(code, { client_id: await clientId() })
        expect([status >= 400, Object.keys(body).includes('access_token')]).toEqual([true, false])
        expect(knocks).toBe(0)
      },
    )
  }

  for (const vice of ['moves inside', 'is another', 'answers without end', 'answers with a page', 'answers in depth']) {
    verifies('oauth:hostile-servers', `gives the gateway itself no token where it ${vice}`, async () => {
      const body = { server_id: `${nameOf(vice)}_machine`, name: 'echo' }
      const answer = await gateway.json('/mcp-rest/tools/call', { key, body, status: 502 })
      expect(JSON.stringify(answer)).toContain('upstream_token_unavailable')
      expect(knocks).toBe(0)
    })
  }

  for (const vice of ['gives tokens inside', 'has tokens fetched from elsewhere', 'gives a token with a line break']) {
    verifies('oauth:hostile-servers', `gives the gateway itself no token where it ${vice}`, async () => {
      const body = { server_id: `${nameOf(vice)}_machine`, name: 'echo' }
      await gateway.json('/mcp-rest/tools/call', { key, body, status: 502 })
      expect(knocks).toBe(0)
    })
  }

  verifies('oauth:hostile-servers', 'leaves the gateway as it was', async () => {
    expect((await gateway.request('/health/readiness', { key: null })).status).toBe(200)
    expect(log.lines.join('\n')).not.toContain('x-evil')
  })
})
