import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { connect, finish, sdkLines } from './mcp-sdk-lines.ts'
import { application } from './oauth-application.ts'
import { authorizeUrl, base, browse, callback, clientOf, textOf } from './oauth-browser.ts'

const behind = new AsyncDisposableStack()
let upstream: RawMcpServer
let gateway: Booted
let key: string
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  const server = { url: upstream.url }
  // Passes what a caller brings in `Authorization` on.
  const open = { url: upstream.url, extra_headers: ['authorization'] }
  gateway = behind.use(await boot({ config: { mcp_servers: { git: server, wiki: server, open } } }))
  key = await gateway.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['git', 'open'] } })
})
afterAll(() => behind.disposeAsync())

describe('a client that is given nothing but the address', () => {
  for (const [line, make] of Object.entries(sdkLines)) {
    verifies('oauth:own-resource', `signs in with the SDK of ${line}, calls, and refreshes`, async () => {
      for (const path of ['/mcp', '/mcp/git', '/git/mcp']) {
        const editor = application()
        const first = make(gateway, new URL(path, base), { authProvider: editor })
        await expect(connect(first)).rejects.toThrow(/nauthorized/)
        const end = await browse(gateway).allow(editor.sentTo, key)
        expect(`${end.origin}${end.pathname}`).toBe(callback)
        expect(end.searchParams.get('state')).toBe('state-of-the-editor')
        await finish(first.transport, end)

        const second = make(gateway, new URL(path, base), { authProvider: editor })
        await connect(second)
        const name = path === '/mcp' ? 'git-echo' : 'echo'
        expect(await second.client.callTool({ name, arguments: {} })).toMatchObject({ content: [{ text: '{}' }] })
        await second.client.close()

        // The access token is gone; the SDK has a refresh token, and knows what to do.
        const former = editor.token
        editor.loseAccessToken()
        const third = make(gateway, new URL(path, base), { authProvider: editor })
        await connect(third)
        await third.client.close()
        expect(editor.token).toMatch(/^tgat_/)
        expect([former, 'tgat_forgotten']).not.toContain(editor.token)
      }
      expect(upstream.requests.length).toBeGreaterThan(0)
      for (const { headers } of upstream.requests) expect(JSON.stringify(headers)).not.toMatch(/tg(at|rt)_|sk-/)
    })
  }
})

describe('where to sign in', () => {
  const challengeAt = async (path: string, headers: Record<string, string> = {}) =>
    (await gateway.request(`${base}${path}`, { key: null, method: 'POST', headers, body: {} })).headers.get(
      'www-authenticate',
    )
  const document = async (path: string) => {
    const response = await gateway.request(`${base}${path}`, { key: null })
    const body: unknown = await response.json()
    return { status: response.status, body }
  }

  verifies('oauth:own-resource', 'is in the 401 of every MCP endpoint and of no other door', async () => {
    const metadata = (path: string) => `resource_metadata="${base}/.well-known/oauth-protected-resource${path}"`
    for (const path of ['/mcp', '/mcp/git', '/git/mcp', '/toolset/t/mcp', '/sse', '/mcp/proxy', '/nobody/mcp']) {
      expect(await challengeAt(path)).toBe(`Bearer ${metadata(path)}`)
      expect(await challengeAt(path, { authorization: 'Bearer sk-wrong' })).toBe(
        `Bearer error="invalid_token", ${metadata(path)}`,
      )
    }
    expect(await challengeAt('/mcp-rest/tools/call')).toBeNull()
    expect(await challengeAt('/v1/chat/completions')).toBeNull()
  })

  verifies(
    'oauth:own-resource',
    'is told in every layout, and the same of servers that are there and that are not',
    async () => {
      for (const [path, resource, issuer] of [
        ['', '/mcp', ''],
        ['/mcp', '/mcp', ''],
        ['/mcp/git', '/mcp/git', '/git'],
        ['/git/mcp', '/git/mcp', '/git'],
        ['/mcp/nobody', '/mcp/nobody', '/nobody'],
        ['/mcp/git,wiki', '/mcp/git,wiki', ''],
        ['/toolset/mine/mcp', '/toolset/mine/mcp', ''],
        // A name that another door has.
        ['/mcp/key', '/mcp/key', ''],
      ]) {
        const expected = {
          status: 200,
          body: expect.objectContaining({
            resource: `${base}${resource}`,
            authorization_servers: [`${base}${issuer}`],
          }),
        }
        expect(await document(`/.well-known/oauth-protected-resource${path}`)).toEqual(expected)
        if (path !== '') expect(await document(`${path}/.well-known/oauth-protected-resource`)).toEqual(expected)
      }
      for (const [path, issuer] of [
        ['/.well-known/oauth-authorization-server', ''],
        ['/.well-known/oauth-authorization-server/mcp', ''],
        ['/.well-known/oauth-authorization-server/git', '/git'],
        ['/.well-known/oauth-authorization-server/mcp/git', '/git'],
        ['/.well-known/oauth-authorization-server/git/mcp', '/git'],
        ['/git/.well-known/openid-configuration', '/git'],
        ['/.well-known/openid-configuration', ''],
        ['/mcp/.well-known/openid-configuration', ''],
      ]) {
        expect(await document(path ?? '')).toEqual({
          status: 200,
          body: expect.objectContaining({
            issuer: `${base}${issuer}`,
            authorization_endpoint: `${base}${issuer}/authorize`,
            token_endpoint: `${base}${issuer}/token`,
            registration_endpoint: `${base}${issuer}/register`,
            code_challenge_methods_supported: ['S256'],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: true,
          }),
        })
      }
      for (const path of ['/.well-known/oauth-protected-resource/v1/models', '/.well-known/other']) {
        expect((await document(path)).status).toBe(404)
      }
    },
  )

  verifies('oauth:public-url', 'is at the public address, below the root path, whatever the request says', async () => {
    const env = { PROXY_BASE_URL: 'https://tools.example.com', SERVER_ROOT_PATH: '/gate' }
    await using elsewhere = await boot({ config: { mcp_servers: { git: { url: upstream.url } } }, env })
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }
    const get = async (path: string) => elsewhere.request(path, { key: null, headers })
    const challenge = (await elsewhere.request('/gate/mcp/git', { key: null, headers, body: {} })).headers.get(
      'www-authenticate',
    )
    expect(challenge).toContain(
      'resource_metadata="https://tools.example.com/.well-known/oauth-protected-resource/gate/mcp/git"',
    )
    // A proxy in front takes the root path away, or leaves it.
    for (const path of [
      '/.well-known/oauth-protected-resource/gate/mcp/git',
      '/gate/.well-known/oauth-protected-resource/mcp/git',
    ]) {
      expect(await (await get(path)).json()).toMatchObject({
        resource: 'https://tools.example.com/gate/mcp/git',
        authorization_servers: ['https://tools.example.com/gate/git'],
      })
    }
    expect(await (await get('/.well-known/oauth-authorization-server/gate/git')).json()).toMatchObject({
      issuer: 'https://tools.example.com/gate/git',
      token_endpoint: 'https://tools.example.com/gate/git/token',
    })
    expect((await elsewhere.request('/gate/health/liveliness', { key: null })).status).toBe(200)
    expect((await elsewhere.request('/gate/key/list', { key: null })).status).toBe(401)
    expect((await elsewhere.request('/gate/key/list')).status).toBe(200)
  })
})

describe('the page', () => {
  it('names the client as a stranger would, where it leads and what it may use, and loads and runs nothing', async () => {
    const id = await clientOf(gateway).newClient({ client_name: '<b>Bank</b>\u202e of "Ada"' })
    const page = await browse(gateway).open(authorizeUrl(id, { resource: `${base}/mcp/git` }))
    expect(page.status).toBe(200)
    expect(page.text).toContain('&lt;b&gt;Bank&lt;/b&gt; of &quot;Ada&quot;')
    expect(page.text).not.toContain('\u202e')
    expect(page.text).toContain('127.0.0.1:5555')
    expect(page.text).toContain('/mcp/git')
    expect(page.text).toContain('<label for="key">')
    expect(page.text).not.toMatch(/<script|<img|<link|src=|https:\/\//)
    const policy = page.headers.get('content-security-policy')
    expect(policy).toMatch(
      /default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' http:\/\/127\.0\.0\.1:5555;/,
    )
    expect(policy).toContain("frame-ancestors 'none'")
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.getSetCookie()).toEqual([expect.stringMatching(/HttpOnly; SameSite=Lax/)])
  })

  it('stays where the key is none that may be used, and says why', async () => {
    const id = await clientOf(gateway).newClient()
    const blocked = await gateway.makeKey()
    await gateway.json('/key/block', { body: { key: blocked } })
    const person = browse(gateway)
    const page = await person.open(authorizeUrl(id))
    for (const [typed, says] of [
      ['', 'keys begin with'],
      ['sk-AAAAAAAAAAAAAAAAAAAAAA', 'no such key'],
      [blocked, 'blocked'],
      [gateway.masterKey, 'master key'],
    ] as const) {
      const again = await person.send(page, { key: typed, decision: 'allow' })
      expect([again.status, again.location]).toEqual([403, undefined])
      expect(again.text).toContain(says)
      expect(again.text).not.toContain(typed === '' ? 'value="sk-' : typed)
    }
  })

  it('sends the browser back without a code where the person says no', async () => {
    const id = await clientOf(gateway).newClient()
    const person = browse(gateway)
    const { location } = await person.send(await person.open(authorizeUrl(id)), { decision: 'deny' })
    expect(Object.fromEntries(location?.searchParams ?? [])).toEqual({
      error: 'access_denied',
      state: 'state-of-the-client',
      iss: base,
    })
  })
})

describe('a token', () => {
  const client = () => clientOf(gateway)
  const signIn = async (changes: Record<string, string | undefined> = {}, by = key, metadata = {}) => {
    const registered = (await client().register(metadata)).body
    const id = textOf(registered['client_id'])
    const end = await browse(gateway).allow(authorizeUrl(id, changes), by)
    const secret = registered['client_secret']
    const { body } = await client().exchange(end.searchParams.get('code') ?? '', {
      client_id: id,
      ...(typeof secret === 'string' && { client_secret: secret }),
    })
    return { id, secret, ...body, access: textOf(body['access_token']), refresh: textOf(body['refresh_token']) }
  }

  verifies('oauth:tokens-follow-keys', 'is as good as the key that consented is at this moment', async () => {
    const own = await gateway.makeKey({ object_permission: { mcp_servers: ['git'] } })
    const { access } = await signIn({}, own)
    expect(await client().ping('/mcp/git', access)).toBe(200)
    expect(await client().ping('/mcp/wiki', access)).toBe(403)
    await gateway.json('/key/update', { body: { key: own, object_permission: { mcp_servers: ['wiki'] } } })
    expect([await client().ping('/mcp/git', access), await client().ping('/mcp/wiki', access)]).toEqual([403, 200])
    await gateway.json('/key/block', { body: { key: own } })
    await vi.waitFor(async () => expect(await client().ping('/mcp', access)).toBe(401), { timeout: 2000, interval: 10 })
    await gateway.json('/key/unblock', { body: { key: own } })
    await vi.waitFor(async () => expect(await client().ping('/mcp', access)).toBe(200), { timeout: 2000, interval: 10 })
    await gateway.json('/key/delete', { body: { keys: [own] } })
    await vi.waitFor(async () => expect(await client().ping('/mcp', access)).toBe(401), { timeout: 2000, interval: 10 })
  })

  it('can be taken back, with all that came of the same consent', async () => {
    const { id, access, refresh } = await signIn()
    expect(await client().ping('/mcp', access)).toBe(200)
    const stranger = await client().newClient()
    expect((await client().form('/revoke', { token: refresh, client_id: stranger })).status).toBe(200)
    expect(await client().ping('/mcp', access)).toBe(200)
    expect((await client().form('/revoke', { token: refresh, client_id: id })).status).toBe(200)
    expect(await client().ping('/mcp', access)).toBe(401)
    expect((await client().refresh(refresh, id)).body).toMatchObject({ error: 'invalid_grant' })
    expect((await client().form('/revoke', { token: refresh, client_id: id })).status).toBe(200)
  })

  verifies('oauth:grants-listed', 'is listed to its key and to administrators, and ended by them alone', async () => {
    const own = await gateway.makeKey({ object_permission: { mcp_servers: ['git'] } })
    const { id, access, refresh } = await signIn({ resource: `${base}/mcp/git` }, own)
    const list = async (by: string, query = ''): Promise<Record<string, unknown>[]> => {
      const answer = await gateway.request(`/v1/mcp/oauth/grants${query}`, { key: by })
      return JSON.parse(await answer.text())
    }
    const [grant, ...others] = await list(own)
    expect(others).toEqual([])
    expect(grant).toMatchObject({ client_id: id, client_name: 'Test', endpoint: '/mcp/git', scope: 'mcp' })
    expect(JSON.stringify(grant)).not.toMatch(/tg(?:at|rt)_|sk-/)
    const grantId = textOf(grant?.['grant_id'])
    const all = await list(gateway.masterKey)
    expect(all.map((one) => one['grant_id'])).toContain(grantId)
    expect(await list(gateway.masterKey, `?key=${textOf(grant?.['key'])}`)).toEqual([grant])
    const [first, second] = await list(gateway.masterKey, '?limit=2')
    expect(await list(gateway.masterKey, `?limit=1&after=${textOf(first?.['grant_id'])}`)).toEqual([second])

    const other = await gateway.makeKey()
    expect(await list(other)).toEqual([])
    await gateway.json(`/v1/mcp/oauth/grants?key=${textOf(grant?.['key'])}`, { key: other, status: 403 })
    const end = (by: string) => gateway.request(`/v1/mcp/oauth/grants/${grantId}`, { key: by, method: 'DELETE' })
    expect((await end(other)).status).toBe(404)
    expect(await client().ping('/mcp/git', access)).toBe(200)
    expect((await end(own)).status).toBe(200)
    expect(await client().ping('/mcp/git', access)).toBe(401)
    expect((await client().refresh(refresh, id)).body).toMatchObject({ error: 'invalid_grant' })
    expect(await list(own)).toEqual([])
    const again = await signIn({}, own)
    const [later] = await list(own)
    const ended = await gateway.request(`/v1/mcp/oauth/grants/${textOf(later?.['grant_id'])}`, { method: 'DELETE' })
    expect([ended.status, await client().ping('/mcp', again.access)]).toEqual([200, 401])
  })

  it('is described to its key and to administrators', async () => {
    const { id, access, refresh } = await signIn({ resource: `${base}/mcp/git` })
    const look = async (token: string, by: string) =>
      (await client().form('/introspect', { token }, { 'x-litellm-api-key': by })).body
    const active = { active: true, client_id: id, scope: 'mcp', sub: 'ada', aud: `${base}/mcp/git`, iss: base }
    for (const by of [key, gateway.masterKey]) {
      expect(await look(access, by)).toMatchObject({ ...active, token_type: 'Bearer' })
      expect(await look(refresh, by)).toMatchObject(active)
      expect(await look('tgat_made-up', by)).toEqual({ active: false })
    }
    expect(await look(access, await gateway.makeKey())).toEqual({ active: false })
    expect((await client().form('/introspect', { token: access })).status).toBe(401)
  })

  it('of a client with a secret needs the secret, in the form or as Basic', async () => {
    const { id, secret, refresh } = await signIn({}, key, { token_endpoint_auth_method: 'client_secret_basic' })
    const fields = { grant_type: 'refresh_token', refresh_token: refresh }
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
    for (const attempt of [
      client().form('/token', { ...fields, client_id: id }),
      client().form('/token', { ...fields, client_id: id, client_secret: 'tgcs_wrong' }),
      client().form('/token', fields, basic(`${id}:wrong`)),
    ]) {
      const { status, body, headers } = await attempt
      expect([status, body['error']]).toEqual([401, 'invalid_client'])
      expect(headers.get('www-authenticate')).toContain('Basic')
    }
    // Upon `invalid_client` a client would register anew.
    const twice = [{ client_secret: textOf(secret) }, { client_id: 'client_00' }]
    for (const more of twice) {
      const answer = await client().form('/token', { ...fields, ...more }, basic(`${id}:${textOf(secret)}`))
      expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request'])
    }
    const { status, headers } = await client().form('/token', fields, basic(`${id}:${textOf(secret)}`))
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
  })

  verifies('identity:gateway-key-stays', 'never leaves, also where another credential counts', async () => {
    const { access } = await signIn()
    const before = upstream.requests.length
    for (const headers of [
      { authorization: `Bearer ${access}` },
      { 'x-litellm-api-key': key, authorization: `Bearer ${access}` },
      { 'x-litellm-api-key': key, 'x-mcp-open-authorization': `Bearer ${access}`, cookie: `a=${access}` },
      { 'x-litellm-api-key': `Bearer ${access}`, 'x-mcp-auth': access },
    ]) {
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } }
      const accept = 'application/json, text/event-stream'
      const response = await gateway.request('/mcp/open', { key: null, headers: { accept, ...headers }, body })
      expect([response.status, await response.text()]).toEqual([200, expect.any(String)])
    }
    expect(upstream.requests.length).toBeGreaterThan(before)
    for (const { headers } of upstream.requests) expect(JSON.stringify(headers)).not.toContain(access)
  })
})
