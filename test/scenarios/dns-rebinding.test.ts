import { createServer } from 'node:net'
import type { ResolveName } from '@toolgate/core'
import { authorizationServerMetadata } from '@toolgate/testing/authorization-server-metadata'
import { type LoopbackServer, serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { newClientKey } from '@toolgate/testing/oidc-server'
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, wayOn } from './oauth-browser.ts'

/**
 * An authorization server behind a name that means what it likes, each time that it is asked. One address is permitted, as if it were
 * a public one; on the next, at the same port, somebody listens who must not hear a thing.
 */
const permitted = '127.0.0.1'
const inside = '127.0.0.2'
const behind = new AsyncDisposableStack()
let knocks = 0
/** Paths that the authorization server was asked for. */
let asked: string[]
/** What the name stands for, from one question to the next; the last one goes on. */
let meaning: readonly (readonly string[])[]
/** The name turns round as soon as the server has answered for this path. */
let turnsAfter: string | undefined
let questions: number
let servers: LoopbackServer
let issuer: string
let upstream: RawMcpServer
let gateway: Booted
let key: string
let clientId: string

const resolveName: ResolveName = (_hostname, _options, callback) => {
  const addresses = meaning[Math.min(questions, meaning.length - 1)] ?? []
  questions += 1
  callback(
    null,
    addresses.map((address) => ({ address, family: 4 })),
  )
}

function authorizationServer(request: Request): Response {
  const { pathname } = new URL(request.url)
  asked.push(pathname)
  if (turnsAfter !== undefined && pathname.startsWith(turnsAfter)) meaning = [[inside]]
  // Each request dials anew, and asks for the name again.
  const headers = { connection: 'close' }
  if (pathname === '/register') return Response.json({ client_id: 'here', redirect_uris: [] }, { status: 201, headers })
  if (pathname === '/token') return Response.json({ access_token: 'token', token_type: 'Bearer' }, { headers })
  if (!pathname.startsWith('/.well-known/oauth-authorization-server'))
    return new Response(null, { status: 404, headers })
  const metadata = { ...authorizationServerMetadata(issuer), registration_endpoint: `${issuer}/register` }
  return Response.json(metadata, { headers })
}

beforeAll(async () => {
  servers = behind.use(await serveOnLoopback(authorizationServer))
  const { port } = new URL(servers.origin)
  // The library takes plain http from this machine alone.
  issuer = `http://localhost:${port}`
  const listener = createServer((socket) => {
    knocks += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => listener.listen(Number(port), inside, resolve))
  behind.defer(() => new Promise<void>((resolve) => listener.close(() => resolve())))
  upstream = behind.use(
    await startRawMcpServer(({ method, path }) => {
      if (method !== 'GET') return { status: 401 }
      if (!path.startsWith('/.well-known/oauth-protected-resource')) return { status: 404 }
      return { body: { resource: upstream.url, authorization_servers: [issuer] } }
    }),
  )
  const { pem } = await newClientKey()
  const { url } = upstream
  gateway = behind.use(
    await boot({
      resolveName,
      env: { PROXY_BASE_URL: base },
      config: {
        general_settings: { mcp_allowed_private_networks: [`${permitted}/32`] },
        mcp_servers: {
          user: { url, auth_type: 'oauth2', oauth2_flow: 'authorization_code' },
          relay: { url, auth_type: 'oauth_delegate' },
          machine: {
            url,
            auth_type: 'oauth2',
            oauth2_flow: 'client_credentials',
            client_id: 'x',
            client_private_key: pem,
          },
        },
      },
    }),
  )
  key = await gateway.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
  clientId = await clientOf(gateway).newClient()
})
afterAll(() => behind.disposeAsync())
beforeEach(() => {
  asked = []
  questions = 0
  turnsAfter = undefined
  meaning = [[permitted]]
})

/** Each goes as far as it is let, and answers whether it got a token in the end. */
const signIns = {
  async user(): Promise<boolean> {
    const browser = browse(gateway)
    const { text } = await browser.send(await browser.open('/connect/user'), { key })
    const end = await comeBack(browser, text)
    return end !== undefined && end.status < 400 && !/role="alert"/.test(end.text)
  },
  async relay(): Promise<boolean> {
    const browser = browse(gateway)
    const address = new URL(
      `/relay${authorizeUrl(clientId, { resource: `${base}/mcp/relay` }).href.slice(base.length)}`,
      base,
    )
    const { text } = await browser.send(await browser.open(address), { key, decision: 'allow' })
    const code = (await comeBack(browser, text))?.location?.searchParams.get('code')
    if (typeof code !== 'string') return false
    const { body } = await clientOf(gateway).exchange(code, { client_id: clientId }, '/relay/token')
    return body['access_token'] === 'token'
  },
  async machine(): Promise<boolean> {
    const body = { server_id: 'machine', name: 'echo' }
    const answer = await gateway.request('/mcp-rest/tools/call', { key, body })
    // With a token of the endpoint it is the server that refuses.
    return (await answer.text()).includes('upstream_credential_rejected')
  },
} as const

async function comeBack(browser: ReturnType<typeof browse>, text: string) {
  const link = wayOn(text)
  if (link === undefined) return undefined
  const { searchParams } = new URL(link)
  const back = new URL(searchParams.get('redirect_uri') ?? base)
  back.search = new URLSearchParams({ code: 'c', state: searchParams.get('state') ?? '' }).toString()
  return browser.open(back)
}

describe('a name that comes to mean an address inside', () => {
  for (const [who, signIn] of Object.entries(signIns)) {
    verifies('oauth:hostile-servers', `leads there neither for metadata, registration nor tokens: ${who}`, async () => {
      const registers = who !== 'machine'
      // Before it is asked at all, after its metadata, and after the registration: what comes next is not dialled.
      for (const [after, reached] of [
        [undefined, []],
        ['/.well-known/', ['/.well-known/oauth-authorization-server']],
        ...(registers ? ([['/register', ['/.well-known/oauth-authorization-server', '/register']]] as const) : []),
      ] as const) {
        asked = []
        questions = 0
        turnsAfter = after
        meaning = after === undefined ? [[inside]] : [[permitted]]
        expect([after, await signIn()]).toEqual([after, false])
        expect([after, [...new Set(asked)]]).toEqual([after, reached])
        expect(questions).toBeGreaterThan(0)
      }
      expect(knocks).toBe(0)
    })

    verifies('oauth:hostile-servers', `is dialled where it was checked, question by question: ${who}`, async () => {
      // Whoever asks once to check and once more to dial is told another address the second time.
      meaning = [[permitted], [inside], [permitted], [inside], [permitted], [inside], [permitted], [inside]]
      expect(await signIn()).toBe(false)
      expect([asked.length, questions > asked.length]).toEqual([1, true])
      expect(knocks).toBe(0)
      questions = 0
      meaning = [[inside, permitted]]
      expect(await signIn()).toBe(true)
      expect(knocks).toBe(0)
    })
  }
})
