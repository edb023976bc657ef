import { type IdentityProvider, startIdentityProvider } from '@toolgate/testing/identity-provider'
import { type LoopbackServer, serveOnLoopback } from '@toolgate/testing/loopback'
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf } from './oauth-browser.ts'

/** A provider whose answers are forged on the way, or that has gone wrong itself. */
const behind = new AsyncDisposableStack()
const log = recordingLog()
let signer: IdentityProvider
let provider: LoopbackServer
let gateway: Booted
let metadata: () => Response
let idToken: (nonce: string) => Promise<string>
let userinfo: object

const sound = () => ({
  issuer: provider.origin,
  authorization_endpoint: `${provider.origin}/authorize`,
  token_endpoint: `${provider.origin}/token`,
  userinfo_endpoint: `${provider.origin}/userinfo`,
  jwks_uri: signer.jwksUrl,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
})
const claims = (nonce: string) => ({ iss: provider.origin, aud: 'toolgate', sub: 'ada', nonce, groups: ['crew'] })
let nonce = ''
/** Its keys are at another address than the provider, and both are on this machine. */
const settings = (mcp_allowed_private_networks: readonly string[]) => ({
  general_settings: {
    mcp_allowed_private_networks,
    mcp_sign_in: { issuer: provider.origin, client_id: 'toolgate', roles_jwt_field: 'groups' },
    litellm_jwtauth: { role_mappings: [{ role: 'crew', mcp_servers: ['git'] }] },
  },
})

beforeAll(async () => {
  signer = behind.use(await startIdentityProvider())
  provider = behind.use(
    await serveOnLoopback(async (request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/.well-known/openid-configuration') return metadata()
      if (pathname === '/userinfo') return Response.json(userinfo)
      return Response.json({ access_token: 'secret-of-ada', token_type: 'Bearer', id_token: await idToken(nonce) })
    }),
  )
  gateway = behind.use(
    await boot({
      config: settings(['127.0.0.0/8']),
      env: { PROXY_BASE_URL: base },
      log,
    }),
  )
})
afterAll(() => behind.disposeAsync())
beforeEach(async () => {
  metadata = () => Response.json(sound())
  idToken = (asked) => signer.sign(claims(asked))
  userinfo = { sub: 'ada' }
  // What is known of the provider is forgotten.
  await gateway.reload({ general_settings: { mcp_sign_in: { issuer: 'http://127.0.0.1:1', client_id: 'toolgate' } } })
  await gateway.reload(settings(['127.0.0.0/8']))
})

const leave = async () => {
  const browser = browse(gateway)
  const page = await browser.send(await browser.open(authorizeUrl(await clientOf(gateway).newClient())), {
    decision: 'person',
  })
  const target = /http-equiv="refresh" content="0; url=([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&')
  return { browser, page, target: target === undefined ? undefined : new URL(target) }
}
const signIn = async () => {
  const { browser, target } = await leave()
  if (target === undefined) throw new Error('no way on')
  nonce = target.searchParams.get('nonce') ?? ''
  const back = new URL('/sso/callback', base)
  back.search = String(new URLSearchParams({ code: 'c', state: target.searchParams.get('state') ?? '' }))
  return browser.open(back)
}
const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)

describe('a person that somebody claims to be', () => {
  verifies('oauth:people', 'is let in with what the provider signed for this very sign-in', async () => {
    expect((await signIn()).location?.searchParams.get('code')).toMatch(/^tgac_/)
  })

  const forgeries: Readonly<Record<string, (nonce: string) => Promise<string>>> = {
    'is signed by a stranger': (asked) => signer.sign(claims(asked), { strangersKey: true }),
    'is not signed': async (asked) =>
      `${encoded({ alg: 'none' })}.${encoded({ ...claims(asked), iat: now(), exp: now() + 300 })}.`,
    'is for another client': (asked) => signer.sign({ ...claims(asked), aud: 'payroll' }),
    'is for another client as well': (asked) => signer.sign({ ...claims(asked), aud: ['toolgate', 'payroll'] }),
    'is of another issuer': (asked) => signer.sign({ ...claims(asked), iss: 'https://elsewhere.example' }),
    'is the answer to another sign-in': () => signer.sign(claims('another')),
    'is the answer to none': () => signer.sign(claims(''), { without: 'nonce' }),
    'has expired': (asked) => signer.sign({ ...claims(asked), iat: now() - 900, exp: now() - 600 }),
    'is of nobody': (asked) => signer.sign(claims(asked), { without: 'sub' }),
    'is no token': async () => 'token',
  }
  for (const [what, forge] of Object.entries(forgeries)) {
    verifies('oauth:people', `is not let in where the id token ${what}`, async () => {
      idToken = forge
      const { status, location, text } = await signIn()
      expect([status === 403 || status === 503, location]).toEqual([true, undefined])
      expect(text).toMatch(/role="alert"/)
    })
  }

  verifies('oauth:people', 'is not let in where the provider speaks of somebody else behind its back', async () => {
    userinfo = { sub: 'eve', groups: ['crew'] }
    expect(await signIn()).toMatchObject({ status: 403, location: undefined })
  })

  verifies('oauth:people', 'is what is signed, where both are said', async () => {
    idToken = (asked) => signer.sign({ ...claims(asked), groups: ['guests'] })
    userinfo = { sub: 'ada', groups: ['crew'] }
    expect(await signIn()).toMatchObject({ status: 403, location: undefined })
  })

  const faults: Readonly<Record<string, () => Response>> = {
    'of another issuer': () => Response.json({ ...sound(), issuer: 'https://elsewhere.example' }),
    'without end': () => Response.json({ ...sound(), filler: 'x'.repeat(400_000) }),
    'that are a page': () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
    'that are elsewhere': () => new Response(null, { status: 302, headers: { location: `${provider.origin}/x` } }),
    'without endpoints': () => Response.json({ issuer: provider.origin }),
  }
  for (const [what, answer] of Object.entries(faults)) {
    verifies('oauth:people', `is sent nowhere by metadata ${what}`, async () => {
      metadata = answer
      const { page, target } = await leave()
      expect([page.status, target, page.location]).toEqual([503, undefined, undefined])
    })
  }

  verifies('oauth:people', 'is not asked about at an address inside that only the provider names', async () => {
    await gateway.reload(settings([]))
    const asked = signer.keyRequests
    expect(await signIn()).toMatchObject({ status: 503, location: undefined })
    expect(signer.keyRequests).toBe(asked)
  })

  verifies('oauth:people', 'leaves no token and no claim in a log', async () => {
    await signIn()
    idToken = () => signer.sign({ ...claims('another'), secret_claim: 'salary' })
    await signIn()
    expect(log.lines.join('\n')).not.toMatch(/secret-of-ada|secret_claim|salary|eyJ/)
  })
})
