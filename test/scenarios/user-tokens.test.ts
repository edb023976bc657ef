import { type FakeClock, fakeClock } from '@toolgate/testing/fake-clock'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, type Page, textOf, wayOn } from './oauth-browser.ts'

/**
 * A server whose users sign in: another gateway, with an authorization server that registers clients, wants PKCE, and ends
 * everything when a refresh token comes twice.
 */
const behind = new AsyncDisposableStack()
const hereClock = fakeClock(Date.now())
const thereClock = fakeClock(Date.now())
let upstream: RawMcpServer
let there: Booted
let thereOrigin: string
let thereKey: string
let here: Booted
let key: string
let config: { mcp_servers: Record<string, object> }
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  there = behind.use(await boot({ config: { mcp_servers: { git: { url: upstream.url } } }, clock: thereClock }))
  const { app } = there
  thereOrigin = behind.use(await serveOnLoopback((request, env) => app.fetch(request, env))).origin
  thereKey = await there.makeKey({ user_id: 'ada-there', object_permission: { mcp_servers: ['git'] } })
  const own = { auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
  config = { mcp_servers: { repo: { url: `${thereOrigin}/mcp/git`, ...own }, other: { url: upstream.url } } }
  here = behind.use(await boot({ config, clock: hereClock, env: { PROXY_BASE_URL: base } }))
  key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo', 'other'] } })
})
afterAll(() => behind.disposeAsync())

/** Time passes on the wall, and enough of it for what is known for two seconds; not for every timer on the way. */
const pass = (clock: FakeClock, ms: number) => {
  clock.jump(ms)
  clock.advance(2_500)
}

const call = async (by = key) => {
  const body = { server_id: 'repo', name: 'echo', arguments: {} }
  const response = await here.request('/mcp-rest/tools/call', { key: by, body })
  const answer: { detail?: { connect_url?: string; error?: string } } = JSON.parse(await response.text())
  return { status: response.status, ...answer.detail }
}
const status = (by = key) => here.json('/v1/mcp/server/repo/oauth-user-credential/status', { key: by })
const person = () => browse(here)
const isFault = (page: Page) => [page.status, /role="alert"/.test(page.text), /is connected/.test(page.text)]

/** To the page of the server there, and back with its answer. */
const signInThere = async (browser: ReturnType<typeof person>, by: string): Promise<URL> => {
  const leave = await browser.send(await browser.open('/connect/repo'), { key: by })
  const link = wayOn(leave.text)
  if (link === undefined) throw new Error(`no way on: ${leave.text}`)
  return browse(there, thereOrigin).allow(link, thereKey)
}
const connect = async (by = key) => {
  const browser = person()
  const page = await browser.open(await signInThere(browser, by))
  expect([page.status, page.text]).toEqual([200, expect.stringContaining('is connected')])
}

describe('a server whose users sign in', () => {
  verifies(
    'oauth:user-tokens',
    'is a sign-in to do before, with a link, and connected after; for its user alone',
    async () => {
      expect(await call()).toEqual(
        expect.objectContaining({
          status: 401,
          error: 'upstream_sign_in_required',
          connect_url: `${base}/connect/repo`,
        }),
      )
      const lists = await here.json('/mcp-rest/tools/list', { key })
      expect(JSON.stringify(lists)).toContain('needs_auth')
      expect(await status()).toMatchObject({ has_credential: false })
      const table = () => here.json('/v1/mcp/server/repo', { key })
      expect(await table()).toMatchObject({ has_user_credential: false })
      await connect()
      expect(await call()).toEqual({ status: 200 })
      expect(await table()).toMatchObject({ has_user_credential: true })
      expect(await status()).toMatchObject({ has_credential: true, is_expired: false, needs_reauth: false })
      expect(await here.json('/v1/mcp/user-credentials', { key })).toMatchObject([
        { server_name: 'repo', credential_type: 'oauth2', has_credential: true },
      ])
      const listed = await here.json('/mcp-rest/tools/list?mcp_server_name=repo', { key })
      expect(JSON.stringify(listed)).toContain('"echo"')
      const explained = async (by: string) =>
        (await here.json('/v1/mcp/explain?server=repo', { key: by }))['credential']
      expect(await explained(key)).toMatchObject({ source: 'user_token' })
      expect(await explained(here.masterKey)).toMatchObject({ source: 'missing' })
      const resolution = async (path: string, body: object) => {
        const accept = 'application/json, text/event-stream'
        const answer = await here.request(path, { key, body, headers: { accept, 'x-litellm-mcp-debug': 'true' } })
        await answer.text()
        return answer.headers.get('x-mcp-debug-auth-resolution')
      }
      expect([
        await resolution('/mcp-rest/tools/call', { server_id: 'repo', name: 'echo' }),
        await resolution('/mcp/repo', { jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      ]).toEqual(['per-user-token', 'per-user-token'])
      // The same user behind another key; another user; nobody in particular.
      expect(await call(await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo'] } }))).toEqual({
        status: 200,
      })
      expect(
        (await call(await here.makeKey({ user_id: 'eve', object_permission: { mcp_servers: ['repo'] } }))).status,
      ).toBe(401)
      expect((await call(here.masterKey)).status).toBe(401)
      for (const { raw } of upstream.requests) expect(raw).not.toMatch(/tg(?:at|rt)_|sk-/)
    },
  )

  verifies(
    'oauth:user-tokens-refresh',
    'gets a new token before the former ends, once for any number of calls',
    async () => {
      // A second use of the first refresh token would have ended everything there.
      for (let times = 0; times < 2; times += 1) {
        const before = await status()
        pass(hereClock, 3_570_000)
        // Of tokens that were issued in one moment there is no last one.
        pass(thereClock, 1_000)
        const calls = await Promise.all(Array.from({ length: 8 }, () => call()))
        expect(calls).toEqual(calls.map(() => ({ status: 200 })))
        await expect.poll(async () => (await status())['expires_at']).not.toBe(before['expires_at'])
      }
      pass(hereClock, 3_700_000)
      pass(thereClock, 1_000)
      expect(await call()).toEqual({ status: 200 })
    },
  )

  verifies('oauth:user-tokens-refresh', 'that refuses a token is asked once more with a new one', async () => {
    // Not known here: the clocks differ.
    pass(thereClock, 3_700_000)
    expect(await call()).toEqual({ status: 200 })
  })

  verifies(
    'oauth:user-tokens-refresh',
    'that gives no new token wants a sign-in, and says so; another one mends it',
    async () => {
      await there.json('/key/block', { body: { key: thereKey } })
      pass(hereClock, 60_000)
      await expect.poll(async () => (await call()).status).toBe(401)
      await there.json('/key/unblock', { body: { key: thereKey } })
      pass(hereClock, 7_200_000)
      pass(thereClock, 31 * 24 * 3_600_000)
      expect(await call()).toMatchObject({ status: 401, connect_url: `${base}/connect/repo` })
      expect(await status()).toMatchObject({ has_credential: true, needs_reauth: true })
      await connect()
      expect(await status()).toMatchObject({ needs_reauth: false })
      expect(await call()).toEqual({ status: 200 })
    },
  )

  verifies('oauth:user-tokens', 'takes tokens from a user that has them, and forgets them', async () => {
    const eve = await here.makeKey({ user_id: 'eva', object_permission: { mcp_servers: ['repo'] } })
    const path = '/v1/mcp/server/repo/oauth-user-credential'
    const id = await clientOf(there).newClient()
    const end = await browse(there, thereOrigin).allow(
      new URL(authorizeUrl(id, { resource: `${thereOrigin}/mcp/git` }).search, `${thereOrigin}/authorize`),
      thereKey,
    )
    const { body } = await clientOf(there).exchange(textOf(end.searchParams.get('code')), { client_id: id })
    const access_token = textOf(body['access_token'])
    expect(await here.json(path, { key: eve, body: { access_token, expires_in: 3600 } })).toMatchObject({
      has_credential: true,
    })
    expect(await call(eve)).toEqual({ status: 200 })
    expect(JSON.stringify(await status(eve))).not.toContain(access_token)
    expect(await here.json(path, { key: eve, method: 'DELETE' })).toMatchObject({ has_credential: false })
    expect((await call(eve)).status).toBe(401)
    expect((await here.request('/v1/mcp/server/other/oauth-user-credential/status', { key })).status).toBe(400)
    expect((await here.request(path, { key: await here.makeKey(), body: { access_token } })).status).toBe(403)
  })
})

describe('a client that signs in at the endpoint of such a server', () => {
  const signIn = async (by: string, answer: (link: string) => Promise<URL>) => {
    const id = await clientOf(here).newClient()
    const browser = person()
    const url = new URL(authorizeUrl(id, { resource: `${base}/mcp/repo` }).search, `${base}/repo/authorize`)
    const agreed = await browser.send(await browser.open(url), { key: by, decision: 'allow' })
    const link = wayOn(agreed.text)
    const end = link === undefined ? agreed : await browser.open(await answer(link))
    return { id, visited: link !== undefined, end: end.location }
  }
  const sayYes = (link: string) => browse(there, thereOrigin).allow(link, thereKey)

  verifies('oauth:user-tokens', 'is led there on the way, once for each user, and works at once', async () => {
    const gus = await here.makeKey({ user_id: 'gus', object_permission: { mcp_servers: ['repo'] } })
    const first = await signIn(gus, sayYes)
    expect(first.visited).toBe(true)
    expect(first.end?.searchParams.get('iss')).toBe(`${base}/repo`)
    const code = first.end?.searchParams.get('code') ?? ''
    const { body } = await clientOf(here).exchange(code, { client_id: first.id }, '/repo/token')
    expect(await clientOf(here).ping('/mcp/repo', body['access_token'])).toBe(200)
    expect(await call(gus)).toEqual({ status: 200 })
    const second = await signIn(gus, sayYes)
    expect([second.visited, second.end?.searchParams.has('code')]).toEqual([false, true])
  })

  it('hears of it where the user does not connect', async () => {
    const hal = await here.makeKey({ user_id: 'hal', object_permission: { mcp_servers: ['repo'] } })
    const { end } = await signIn(hal, async (link) => {
      const there = new URL(link)
      const back = new URL(there.searchParams.get('redirect_uri') ?? '')
      back.search = new URLSearchParams({
        error: 'access_denied',
        state: there.searchParams.get('state') ?? '',
      }).toString()
      return back
    })
    expect(end?.searchParams.get('error')).toBe('access_denied')
    expect(end?.searchParams.has('code')).toBe(false)
    expect(await status(hal)).toMatchObject({ has_credential: false })
  })
})

describe('the way to the server and back', () => {
  it('begins with a key, and says in a few words that there is no such one', async () => {
    const browser = person()
    const page = await browser.send(await browser.open('/connect/repo'), { key: 'sk-of-nobody-at-all' })
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('>There is no such key here.<')])
    expect(page.text).toMatch(/<input id="key"[^>]*\saria-describedby="fault hint" aria-invalid="true"/)
  })

  verifies('oauth:attacks', 'ends in the browser it began in, with an answer to its own question', async () => {
    const victim = person()
    const answer = await signInThere(person(), key)
    // Somebody else's account must not become the victim's.
    expect(isFault(await victim.open(answer))).toEqual([400, true, false])
    expect(isFault(await victim.open('/callback?code=x&state=made-up'))).toEqual([400, true, false])
    expect(isFault(await victim.open('/callback'))).toEqual([400, true, false])
    // A text that was sealed for the other page, with parameters of the attacker's choice.
    const client = await clientOf(here).newClient()
    const url = authorizeUrl(client, { server: 'repo', owner: 'ada', kept: '{}' })
    const page = await victim.open(url)
    const sealed = /name="request" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
    expect(isFault(await victim.open(`/callback?code=x&state=${sealed}`))).toEqual([400, true, false])
  })

  verifies('oauth:attacks', 'takes no answer of another authorization server, and none twice', async () => {
    const browser = person()
    const answer = await signInThere(browser, key)
    const elsewhere = new URL(answer)
    elsewhere.searchParams.set('iss', 'https://evil.example')
    expect(isFault(await browser.open(elsewhere))).toEqual([502, true, false])
    const without = new URL(answer)
    without.searchParams.delete('iss')
    expect(isFault(await browser.open(without))).toEqual([502, true, false])
    expect(isFault(await browser.open(answer))).toEqual([200, false, true])
    expect(isFault(await browser.open(answer))).toEqual([400, true, false])
  })

  it('is for a key that may use the server, and tells nobody else whether there is one', async () => {
    const stranger = await here.makeKey()
    const browser = person()
    const texts = new Set<string>()
    for (const name of ['repo', 'nobody']) {
      const page = await browser.open(`/connect/${name}`)
      expect(page.status).toBe(200)
      const refused = await browser.send(page, { key: stranger })
      texts.add(refused.text.match(/role="alert" id="fault">([^<]*)/)?.[1]?.replaceAll(name, 'X') ?? '')
    }
    expect([...texts]).toEqual([expect.stringContaining('not allowed to use a server named')])
    const master = await browser.send(await browser.open('/connect/repo'), { key: here.masterKey })
    expect(master.text).toContain('master key')
  })

  verifies(
    'oauth:attacks',
    'is no way for an application that the user let in, whatever its token is for',
    async () => {
      const clientId = await clientOf(here).newClient()
      const end = await person().allow(authorizeUrl(clientId, { resource: `${base}/mcp/other` }), key)
      const { body } = await clientOf(here).exchange(textOf(end.searchParams.get('code')), { client_id: clientId })
      const browser = person()
      const page = await browser.send(await browser.open('/connect/repo'), { key: textOf(body['access_token']) })
      expect(page.text).toContain('the token of an application')
      expect(page.text).not.toContain('class="button"')
    },
  )

  // Last: it changes what the server is.
  verifies(
    'oauth:user-tokens',
    'counts for the server it was made for: another address has none of its tokens',
    async () => {
      expect(await status()).toMatchObject({ has_credential: true })
      const repo = { ...config.mcp_servers['repo'], url: upstream.url }
      const before = upstream.requests.length
      await here.reload({ mcp_servers: { ...config.mcp_servers, repo } })
      expect((await call()).status).toBe(401)
      expect(await status()).toMatchObject({ has_credential: false })
      for (const { raw } of upstream.requests.slice(before)) expect(raw).not.toContain('tgat_')
    },
  )
})
