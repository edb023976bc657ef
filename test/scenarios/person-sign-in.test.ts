import { fakeClock } from '@toolgate/testing/fake-clock'
import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { type OidcServer, startOidcServer } from '@toolgate/testing/oidc-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, type Page, textOf, wayOn } from './oauth-browser.ts'

const secret = 'secret-of-the-gateway-at-the-provider'
const back = `${base}/sso/callback`
const clock = fakeClock(Date.now())
const log = recordingLog()
const behind = new AsyncDisposableStack()
let provider: OidcServer
let upstream: RawMcpServer
let gateway: Booted
let settings: { general_settings: Record<string, unknown>; mcp_servers: object }
beforeAll(async () => {
  provider = behind.use(
    await startOidcServer({
      clients: [{ client_id: 'toolgate', client_secret: secret, redirect_uris: [back] }],
      claims: ['groups', 'team'],
    }),
  )
  upstream = behind.use(await startRawMcpServer())
  const account = {
    url: upstream.url,
    auth_type: 'oauth2',
    oauth2_flow: 'authorization_code',
    client_id: 'toolgate',
    authorization_url: 'https://accounts.example.com/authorize',
    token_url: 'https://accounts.example.com/token',
  }
  settings = {
    general_settings: {
      mcp_sign_in: {
        issuer: provider.issuer,
        client_id: 'toolgate',
        client_secret: secret,
        name: 'Example Login',
        roles_jwt_field: 'groups',
        team_id_jwt_field: 'team',
      },
      litellm_jwtauth: {
        admin_jwt_scope: 'openid',
        role_mappings: [
          { role: 'crew', mcp_servers: ['git', 'account', 'other-account'] },
          { role: 'boss', internal_role: 'proxy_admin', mcp_servers: ['wiki'] },
        ],
      },
    },
    mcp_servers: {
      git: { url: upstream.url, extra_headers: ['authorization'] },
      wiki: { url: upstream.url },
      account,
      // Of two nobody is led on to either.
      'other-account': account,
    },
  }
  gateway = behind.use(await boot({ config: settings, clock, log, env: { PROXY_BASE_URL: base } }))
})
afterAll(() => behind.disposeAsync())

type Browser = ReturnType<typeof browse>

/** The page, yes with the identity provider, and where the browser is told to go. */
const leave = async (browser: Browser, url: URL): Promise<URL> => {
  const page = await browser.send(await browser.open(url), { decision: 'person' })
  const target = /http-equiv="refresh" content="0; url=([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&')
  if (target === undefined) throw new Error(`no way on: ${page.text}`)
  return new URL(target)
}
/** All of it: who sits at the provider is `provider.person`. */
const signIn = async (browser: Browser, url: URL): Promise<Page> =>
  browser.open(await provider.goThrough(await leave(browser, url)))

const signedIn = async (changes: Record<string, string> = {}) => {
  const client = clientOf(gateway)
  const clientId = await client.newClient()
  const { location } = await signIn(browse(gateway), authorizeUrl(clientId, changes))
  const answer = await client.exchange(location?.searchParams.get('code') ?? '', { client_id: clientId })
  return { clientId, token: answer.body['access_token'], refresh: answer.body['refresh_token'] }
}
const tools = async (token: unknown, path = '/mcp'): Promise<string> => {
  const response = await gateway.request(`${base}${path}`, {
    key: null,
    headers: { authorization: `Bearer ${textOf(token)}`, accept: 'application/json, text/event-stream' },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
  })
  return `${response.status} ${await response.text()}`
}

describe('a person of the company', () => {
  verifies('oauth:people', 'lets a client in by signing in at the identity provider, as what it is there', async () => {
    provider.person = { sub: 'ada', groups: ['crew'], team: 'tools' }
    const { clientId, token, refresh } = await signedIn()
    expect(await tools(token)).toMatch(/git-echo/)
    expect(await tools(token)).not.toMatch(/wiki-echo/)
    const asked = await gateway.request('/introspect', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams({ token: textOf(token) })),
    })
    expect(await asked.json()).toMatchObject({ active: true, sub: 'ada', client_id: clientId })
    const refreshed = await clientOf(gateway).refresh(refresh, clientId)
    expect(refreshed.status).toBe(200)
    expect(await tools(refreshed.body['access_token'])).toMatch(/git-echo/)
  })

  verifies('oauth:people', 'administers nothing, whatever its token would, and is at MCP endpoints alone', async () => {
    provider.person = { sub: 'ada', groups: ['crew', 'boss'], scope: 'openid' }
    const { token } = await signedIn()
    expect(await tools(token)).not.toMatch(/wiki-echo/)
    for (const path of ['/key/list', '/v1/mcp/server']) {
      const response = await gateway.request(path, { key: null, headers: { authorization: `Bearer ${textOf(token)}` } })
      expect([401, 403]).toContain(response.status)
    }
  })

  verifies('oauth:people', 'in hundreds of groups is led on to a server all the same, and back', async () => {
    const groups = Array.from({ length: 900 }, () => crypto.randomUUID())
    provider.person = { sub: 'ada', groups: [...groups, 'crew'] }
    const clientId = await clientOf(gateway).newClient()
    const browser = browse(gateway)
    const { search } = authorizeUrl(clientId, { resource: `${base}/mcp/account` })
    const page = await signIn(browser, new URL(search, `${base}/account/authorize`))
    const link = wayOn(page.text) ?? ''
    const state = new URL(link).searchParams.get('state') ?? ''
    // What some servers take of one address.
    expect(state.length).toBeLessThan(4_000)
    const { location } = await browser.open(`/callback?${String(new URLSearchParams({ error: 'no', state }))}`)
    expect(location?.searchParams.get('error')).toBe('access_denied')
  })

  verifies('oauth:people', 'whom no mapping names is not let in, and is told so; the client learns it', async () => {
    provider.person = { sub: 'eve', groups: ['guests'], scope: 'openid' }
    const client = clientOf(gateway)
    const page = await signIn(browse(gateway), authorizeUrl(await client.newClient()))
    expect(page.status).toBe(403)
    expect(page.text).toMatch(/&quot;eve&quot; is known at the identity provider, and is granted nothing here/)
    expect(page.text).toMatch(/href="http:\/\/127\.0\.0\.1:5555\/callback\?error=access_denied&amp;iss=/)
    expect(page.location).toBeUndefined()
  })

  verifies('oauth:people', 'who says no there lets nobody in', async () => {
    provider.person = 'nobody'
    const page = await signIn(browse(gateway), authorizeUrl(await clientOf(gateway).newClient()))
    expect([page.status, page.location]).toEqual([403, undefined])
    expect(page.text).toMatch(/said no there/)
  })

  verifies(
    'oauth:people',
    'loses what a mapping gave when the mapping goes, and signs in anew after a day',
    async () => {
      provider.person = { sub: 'ada', groups: ['crew'] }
      const { clientId, token, refresh } = await signedIn()
      const jwt = { role_mappings: [{ role: 'others', mcp_servers: ['git'] }] }
      await gateway.reload({
        ...settings,
        general_settings: { ...settings.general_settings, litellm_jwtauth: jwt },
      })
      expect(await tools(token)).toMatch(/^401/)
      await gateway.reload(settings)
      expect(await tools(token)).toMatch(/^200/)
      clock.jump(12 * 60 * 60_000)
      expect((await clientOf(gateway).refresh(refresh, clientId)).body).toMatchObject({ error: 'invalid_grant' })
    },
  )

  verifies('oauth:people', 'is nobody else of the same name at another provider', async () => {
    provider.person = { sub: 'ada', groups: ['crew'] }
    const { litellm_jwtauth, ...others } = settings.general_settings
    const elsewhere = { issuers: [{ issuer: 'https://login.elsewhere.example', audience: 'toolgate' }] }
    const jwt = Object.assign({}, litellm_jwtauth, elsewhere)
    await gateway.reload({ ...settings, general_settings: { ...others, litellm_jwtauth: jwt } })
    const { token } = await signedIn()
    const asked = await gateway.request('/introspect', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams({ token: textOf(token) })),
    })
    await gateway.reload(settings)
    expect(await asked.json()).toMatchObject({ active: true, sub: `${provider.issuer}#ada` })
  })
})

describe('an answer of the identity provider', () => {
  const started = async () => {
    provider.person = { sub: 'ada', groups: ['crew'] }
    const browser = browse(gateway)
    const url = await provider.goThrough(await leave(browser, authorizeUrl(await clientOf(gateway).newClient())))
    return { browser, url }
  }
  const refused = (page: Page) => {
    expect(page.location).toBeUndefined()
    expect(page.text).toMatch(/role="alert"/)
    return page.status
  }

  verifies('oauth:people', 'is asked for with PKCE, a nonce, and a state of this browser', async () => {
    const browser = browse(gateway)
    const url = await leave(browser, authorizeUrl(await clientOf(gateway).newClient()))
    const asked = Object.fromEntries(url.searchParams)
    expect(asked).toMatchObject({ response_type: 'code', code_challenge_method: 'S256', redirect_uri: back })
    for (const name of ['nonce', 'state', 'code_challenge']) expect(asked[name]?.length).toBeGreaterThan(20)
    expect(JSON.stringify(asked)).not.toContain(secret)
  })

  const changes: Readonly<Record<string, (url: URL) => void>> = {
    'with a state that nobody gave out': (url) => url.searchParams.set('state', 'made-up'),
    'without a state': (url) => url.searchParams.delete('state'),
    'with another code': (url) => url.searchParams.set('code', 'made-up'),
    'of another issuer (RFC 9207)': (url) => url.searchParams.set('iss', 'https://elsewhere.example'),
    'that hides its issuer': (url) => url.searchParams.delete('iss'),
  }
  for (const [what, change] of Object.entries(changes)) {
    verifies('oauth:attacks', `is refused ${what}`, async () => {
      const { browser, url } = await started()
      change(url)
      expect([400, 403]).toContain(refused(await browser.open(url)))
    })
  }

  verifies('oauth:attacks', 'is refused in another browser, and a second time', async () => {
    const { browser, url } = await started()
    expect(refused(await browse(gateway).open(url))).toBe(400)
    expect((await browser.open(url)).location?.searchParams.get('code')).toMatch(/^tgac_/)
    expect(refused(await browser.open(url))).toBe(403)
  })

  verifies(
    'oauth:attacks',
    'that belongs to the sign-in of another is refused: its code is bound to that verifier',
    async () => {
      const [mine, other] = [await started(), await started()]
      mine.url.searchParams.set('code', other.url.searchParams.get('code') ?? '')
      expect(refused(await mine.browser.open(mine.url))).toBe(403)
    },
  )

  it('leaves nothing of itself in a log', async () => {
    const { browser, url } = await started()
    await browser.open(url)
    const lines = log.lines.join('\n')
    for (const word of [secret, url.searchParams.get('code') ?? secret]) expect(lines).not.toContain(word)
  })
})

describe('an identity provider that is away', () => {
  verifies(
    'oauth:people',
    'is a fault that passes, and nobody is let in; without one nobody is sent anywhere',
    async () => {
      const away = await startOidcServer()
      const signInAt = { issuer: away.issuer, client_id: 'toolgate' }
      await away[Symbol.asyncDispose]()
      await using here = await boot({ config: { general_settings: { mcp_sign_in: signInAt } } })
      const browser = browse(here)
      const page = await browser.open(authorizeUrl(await clientOf(here).newClient()))
      expect(page.text).toContain(`sign in with ${away.host}`)
      const answer = await browser.send(page, { decision: 'person' })
      expect([answer.status, answer.location]).toEqual([503, undefined])
      await here.reload({})
      const other = await browser.open(authorizeUrl(await clientOf(here).newClient()))
      expect(other.text).not.toContain('value="person"')
      expect((await browser.send(other, { decision: 'person' })).status).toBe(403)
    },
  )
})
