import { createServer } from 'node:net'
import type { JsonObject } from '@toolgate/core'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, callback, clientOf, type Page, textOf } from './oauth-browser.ts'

const behind = new AsyncDisposableStack()
const log = recordingLog()
const env = { MCP_TRUSTED_REDIRECT_ORIGINS: 'app.example.com,*.trusted.example' }
let mcp_servers: object
let upstream: RawMcpServer
let gateway: Booted
let key: string
let id: string
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  mcp_servers = { git: { url: upstream.url }, wiki: { url: upstream.url } }
  gateway = behind.use(await boot({ config: { mcp_servers }, env, log }))
  key = await gateway.makeKey({ object_permission: { mcp_servers: ['git', 'wiki'] } })
  id = await client().newClient()
})
afterAll(() => behind.disposeAsync())

const client = () => clientOf(gateway)
const codeFor = async (clientId = id, changes: Record<string, string | undefined> = {}) =>
  (await browse(gateway).allow(authorizeUrl(clientId, changes), key)).searchParams.get('code') ?? ''
const answerOf = ({ status, body }: { status: number; body: object }) => [status, Reflect.get(body, 'error')]
/** A page that says no, to whoever looks at it. */
const isFault = (page: Page) => [page.status, page.location, /This cannot go on/.test(page.text)]
const asked = async (changes: Record<string, string | undefined>, clientId = id) =>
  browse(gateway).open(authorizeUrl(clientId, changes))

describe('a code', () => {
  verifies('oauth:attacks', 'that comes twice ends what the first one got', async () => {
    const code = await codeFor()
    const { body } = await client().exchange(code, { client_id: id })
    expect(await client().ping('/mcp', body['access_token'])).toBe(200)
    expect(answerOf(await client().exchange(code, { client_id: id }))).toEqual([400, 'invalid_grant'])
    await expect.poll(() => client().ping('/mcp', body['access_token'])).toBe(401)
    expect(answerOf(await client().refresh(body['refresh_token'], id))).toEqual([400, 'invalid_grant'])
  })

  verifies('oauth:attacks', 'is nothing to another client, without its verifier, or elsewhere', async () => {
    const other = await client().newClient()
    for (const fields of [
      { client_id: other },
      { client_id: id, code_verifier: 'x'.repeat(43) },
      { client_id: id, code_verifier: '' },
      { client_id: id, redirect_uri: 'http://127.0.0.1:6666/callback' },
      { client_id: id, resource: `${base}/mcp/wiki` },
    ]) {
      const { status, body } = await client().exchange(await codeFor(), fields)
      expect([status, Object.keys(body)]).toEqual([400, ['error', 'error_description']])
    }
  })
})

describe('a request to sign in', () => {
  verifies('oauth:attacks', 'without PKCE by SHA-256 gets no page and no code', async () => {
    for (const changes of [
      { code_challenge: undefined, code_challenge_method: undefined },
      { code_challenge_method: undefined },
      { code_challenge_method: 'plain' },
      { code_challenge: 'short' },
    ]) {
      const { location } = await asked(changes)
      expect(location?.origin).toBe(new URL(callback).origin)
      expect(Object.fromEntries(location?.searchParams ?? [])).toMatchObject({
        error: 'invalid_request',
        state: 'state-of-the-client',
        iss: base,
      })
    }
  })

  verifies(
    'oauth:attacks',
    'sends nobody to an address that is not the client’s, to the letter, or not trusted',
    async () => {
      const registered = await client().newClient({
        redirect_uris: [callback, 'https://app.example.com/cb', 'https://evil.example/cb', 'cursor://evil/cb'],
      })
      for (const redirect_uri of [
        'https://evil.example/cb',
        'cursor://evil/cb',
        'https://app.example.com/cb/',
        'https://app.example.com/cb?x=1',
        'https://app.example.com:8443/cb',
        'https://app.example.com@evil.example/cb',
        'https://app.example.com.evil.example/cb',
        'http://app.example.com/cb',
        'HTTPS://app.example.com/cb',
        'http://localhost:5555/callback',
        'http://127.0.0.1:5555/callback/../x',
        'http://127.0.0.1.evil.example:5555/callback',
        'http://127.0.0.1:5555@evil.example/callback',
        '//evil.example',
        'javascript:alert(1)',
      ]) {
        expect([redirect_uri, ...isFault(await asked({ redirect_uri }, registered))]).toEqual([
          redirect_uri,
          400,
          undefined,
          true,
        ])
      }
      expect((await asked({ redirect_uri: undefined }, registered)).status).toBe(400)
      // Of an address on loopback the port is free.
      expect((await asked({ redirect_uri: 'http://127.0.0.1:61234/callback' }, registered)).status).toBe(200)
      expect((await asked({ redirect_uri: 'https://app.example.com/cb' }, registered)).status).toBe(200)
    },
  )

  it('of a client that nobody knows, or twice with the same parameter, goes nowhere', async () => {
    for (const unknown of ['client_00', 'nobody', "client_' or 1=1", 'x'.repeat(3_000)]) {
      expect(isFault(await asked({}, unknown))).toEqual([400, undefined, true])
    }
    const url = authorizeUrl(id)
    url.searchParams.append('redirect_uri', 'https://evil.example/cb')
    expect(isFault(await browse(gateway).open(url))).toEqual([400, undefined, true])
  })

  verifies('oauth:attacks', 'for a resource that is none of the gateway’s is refused', async () => {
    for (const resource of [
      'https://evil.example/mcp',
      `${base}.evil.example/mcp`,
      `${base}/v1/chat/completions`,
      `${base}/key/list`,
      `${base}/mcp?x=1`,
      `${base}/mcp#x`,
      'urn:x',
    ]) {
      const { location } = await asked({ resource })
      expect([resource, location?.searchParams.get('error')]).toEqual([resource, 'invalid_target'])
    }
  })
})

describe('the form of the page', () => {
  const yes = () => ({ key, decision: 'allow' })

  verifies('oauth:attacks', 'counts only from the browser it was shown in, and from no other page', async () => {
    const victim = browse(gateway)
    const page = await victim.open(authorizeUrl(id))
    // The attacker has a page of its own, and has the victim's browser send it.
    const attacker = browse(gateway)
    const shown = await attacker.open(authorizeUrl(await client().newClient({ client_name: 'Attacker' })))
    expect(isFault(await victim.send(shown, yes()))).toEqual([400, undefined, true])
    for (const headers of [
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      { origin: 'null', 'sec-fetch-site': 'same-origin' },
      { origin: base, 'sec-fetch-site': 'same-site' },
    ]) {
      expect(isFault(await victim.send(page, yes(), headers))).toEqual([400, undefined, true])
    }
    victim.cookies.clear()
    expect(isFault(await victim.send(page, yes()))).toEqual([400, undefined, true])
  })

  verifies('oauth:attacks', 'cannot be made, changed, or kept for later by anybody', async () => {
    const person = browse(gateway)
    const page = await person.open(authorizeUrl(id))
    const sealed = /name="request" value="([^"]*)"/.exec(page.text)?.[1] ?? ''
    const parts = sealed.split('.')
    for (const request of [
      '',
      'made-up',
      [...parts.slice(0, 3), `${parts[3]?.slice(0, -2)}AA`, parts[4]].join('.'),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}...${parts[3]}.`,
    ]) {
      expect(isFault(await person.send(page, { ...yes(), request }))).toEqual([400, undefined, true])
    }
    // What else a form may say changes nothing of what was shown.
    const { location } = await person.send(page, {
      ...yes(),
      redirect_uri: 'https://evil.example/cb',
      client_id: 'client_00',
    })
    expect(`${location?.origin}${location?.pathname}`).toBe(callback)
  })

  verifies('oauth:attacks', 'is asked again for every client, and every time', async () => {
    const person = browse(gateway)
    await person.allow(authorizeUrl(id), key)
    for (const next of [id, await client().newClient()]) {
      const page = await person.open(authorizeUrl(next))
      expect([page.status, page.location]).toEqual([200, undefined])
      expect((await person.send(page, { decision: 'allow' })).location).toBeUndefined()
    }
  })
})

describe('a token', () => {
  const tokensFor = async (changes: Record<string, string | undefined> = {}) =>
    (await client().exchange(await codeFor(id, changes), { client_id: id })).body

  verifies('oauth:tokens-follow-keys', 'is none at another endpoint, nor at any other door', async () => {
    const git = (await tokensFor({ resource: `${base}/mcp/git` }))['access_token']
    for (const [path, status] of [
      ['/mcp/git', 200],
      ['/git/mcp', 200],
      ['/mcp/wiki', 401],
      ['/wiki/mcp', 401],
      ['/mcp', 401],
      ['/mcp/git,wiki', 401],
      ['/toolset/git/mcp', 401],
      ['/mcp/proxy', 401],
    ] as const) {
      expect([path, await client().ping(path, git)]).toEqual([path, status])
    }
    const all = (await tokensFor())['access_token']
    expect([await client().ping('/mcp/git', all), await client().ping('/mcp', all)]).toEqual([200, 200])
    for (const path of ['/key/info', '/v1/models', '/mcp-rest/tools/list', '/v1/mcp/server', '/key/list']) {
      const headers = { authorization: `Bearer ${textOf(all)}` }
      expect((await gateway.request(path, { key: null, headers })).status).toBe(401)
    }
  })

  verifies('oauth:attacks', 'to refresh with, once used, ends the family when it comes again', async () => {
    const first = await tokensFor()
    const second = (await client().refresh(first['refresh_token'], id)).body
    const third = (await client().refresh(second['refresh_token'], id)).body
    expect(await client().ping('/mcp', third['access_token'])).toBe(200)
    expect(answerOf(await client().refresh(first['refresh_token'], id))).toEqual([400, 'invalid_grant'])
    await expect.poll(() => client().ping('/mcp', third['access_token'])).toBe(401)
    expect(answerOf(await client().refresh(third['refresh_token'], id))).toEqual([400, 'invalid_grant'])
  })

  it('of one kind is no token of another', async () => {
    const { refresh_token: refresh, access_token: access } = await tokensFor()
    expect(await client().ping('/mcp', refresh)).toBe(401)
    expect(answerOf(await client().refresh(access, id))).toEqual([400, 'invalid_grant'])
    expect(await client().ping('/mcp', await codeFor())).toBe(401)
  })

  it('and a code and a secret stand in no line of the log', async () => {
    const { refresh_token: refresh, access_token: access } = await tokensFor()
    const code = await codeFor()
    await client().exchange(code, { client_id: id })
    const lines = log.lines.join('\n')
    for (const secret of [code, textOf(access), textOf(refresh), key]) expect(lines).not.toContain(secret)
  })

  verifies('oauth:attacks', 'and a code and a secret reach no server, in whatever is brought for one', async () => {
    const { refresh_token: refresh, access_token: access } = await tokensFor()
    const { body } = await client().register({ token_endpoint_auth_method: 'client_secret_post' })
    const ofTheRelay = ['tgrr_eyJhbGciOiJkaXIi.sealed', 'tgrc_eyJhbGciOiJkaXIi.sealed']
    const brought = [textOf(access), textOf(refresh), await codeFor(), textOf(body['client_secret']), ...ofTheRelay]
    for (const secret of brought) {
      const headers = {
        'x-mcp-git-x-token': secret,
        'x-mcp-git-authorization': `Basic ${Buffer.from(`me:${secret}`).toString('base64')}`,
        'x-mcp-git-x-other': 'other',
      }
      await gateway.json('/mcp-rest/tools/call', {
        key,
        headers,
        body: { server_id: 'git', name: 'echo', arguments: {} },
      })
      const seen = upstream.received('tools/call').at(-1)?.headers
      expect([seen?.['x-token'], seen?.authorization, seen?.['x-other']]).toEqual([undefined, undefined, 'other'])
    }
  })

  verifies(
    'oauth:attacks',
    'and whatever stands for one of a server, is not repeated from where it does not belong',
    async () => {
      const { refresh_token: refresh, access_token: access } = await tokensFor()
      const misplaced = [textOf(access), textOf(refresh), 'tgrr_sealed-for-a-client', 'tgrc_sealed-for-a-client']
      for (const secret of misplaced) {
        await gateway.request(`/nowhere/${secret}`)
        const answer = await gateway.request(`/v1/mcp/oauth/grants/${secret}`, { method: 'DELETE' })
        expect([answer.status, await answer.text()]).toEqual([404, expect.not.stringContaining(secret)])
      }
      for (const secret of misplaced) expect(log.lines.join('\n')).not.toContain(secret)
    },
  )
})

describe('a grant', () => {
  it('that nothing can be called is none', async () => {
    const path = '/v1/mcp/oauth/grants'
    for (const [method, asked] of [
      ['DELETE', `${path}/a%00b`],
      ['GET', `${path}?after=a%00b`],
    ] as const) {
      const answer = await gateway.request(asked, { method })
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('U+0000')])
    }
  })
})

describe('a registration', () => {
  it('that is malformed, too large or leads to nowhere trusted is refused in the words of the standard', async () => {
    const refused: readonly (readonly [JsonObject, string])[] = [
      [{ redirect_uris: [] }, 'invalid_redirect_uri'],
      [{ redirect_uris: 'x' }, 'invalid_redirect_uri'],
      [{ redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
      [{ redirect_uris: ['http://app.example.com/cb'] }, 'invalid_redirect_uri'],
      [{ redirect_uris: ['https://evil.example/cb'] }, 'invalid_redirect_uri'],
      [{ redirect_uris: [`${callback}#x`] }, 'invalid_redirect_uri'],
      [{ client_name: 'x'.repeat(600) }, 'invalid_client_metadata'],
      [{ client_name: 7 }, 'invalid_client_metadata'],
      [{ client_name: 'a\0b' }, 'invalid_client_metadata'],
      [{ software_id: '\ud800' }, 'invalid_client_metadata'],
      [{ grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
      [{ response_types: ['token'] }, 'invalid_client_metadata'],
    ]
    for (const [metadata, error] of refused) {
      expect([metadata, ...answerOf(await client().register(metadata))]).toEqual([metadata, 400, error])
    }
    const post = (body: string, length = body.length) =>
      gateway.request('/register', { key: null, body, headers: { 'content-length': String(length) } })
    expect((await post('{}', 70_000)).status).toBe(413)
    for (const body of ['{', '[]', 'null', '['.repeat(5_000)]) expect((await post(body)).status).toBe(400)
  })
})

describe('a client that is the address of a document', () => {
  verifies('oauth:attacks', 'leads the gateway to no address inside, and tells nobody what is there', async () => {
    let connections = 0
    const inside = createServer((socket) => {
      connections += 1
      socket.destroy()
    })
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
    const address = inside.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const texts = new Set<string>()
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '2130706433',
      '0x7f.1',
      '169.254.169.254',
    ]) {
      for (const scheme of ['https', 'http']) {
        const page = await asked({}, `${scheme}://${host}:${port}/client.json`)
        expect(isFault(page)).toEqual([400, undefined, true])
        texts.add(/role="alert">([^<]*)/.exec(page.text)?.[1] ?? '')
      }
    }
    expect(connections).toBe(0)
    expect([...texts].every((text) => !/refused|timeout|ECONN|private|127/i.test(text))).toBe(true)
    await new Promise((resolve) => inside.close(resolve))
  })

  it('signs in where its document is sound; any other document is as good as none', async () => {
    const document = (origin: string, path: string) => {
      const sound = { client_id: `${origin}${path}`, client_name: 'Documented', redirect_uris: [callback] }
      if (path === '/good') return Response.json(sound)
      if (path === '/other') return Response.json({ ...sound, client_id: `${origin}/good` })
      if (path === '/secret') return Response.json({ ...sound, token_endpoint_auth_method: 'client_secret_post' })
      if (path === '/large') return Response.json({ ...sound, filler: 'x'.repeat(40_000) })
      if (path === '/text') return new Response('<html>')
      if (path === '/uris') return Response.json({ ...sound, redirect_uris: ['javascript:alert(1)'] })
      if (path === '/moved') return new Response(null, { status: 302, headers: { location: `${origin}/good` } })
      return new Response(null, { status: 404 })
    }
    await using server = await serveOnLoopback((request) => {
      const { origin, pathname } = new URL(request.url)
      return document(origin, pathname)
    })
    const general_settings = { mcp_allowed_private_networks: ['127.0.0.0/8'] }
    await gateway.reload({ mcp_servers, general_settings })
    for (const path of ['/other', '/secret', '/large', '/text', '/uris', '/moved', '/none']) {
      expect([path, ...isFault(await asked({}, `${server.origin}${path}`))]).toEqual([path, 400, undefined, true])
    }
    const documented = `${server.origin}/good`
    const page = await asked({}, documented)
    expect(page.text).toContain(`of <strong>${new URL(server.origin).host}</strong>`)
    const code = await codeFor(documented)
    const { status, body } = await client().exchange(code, { client_id: documented })
    expect([status, await client().ping('/mcp', body['access_token'])]).toEqual([200, 200])
    // To the letter, and trusted as that of any other.
    expect((await asked({ redirect_uri: 'https://app.example.com/cb' }, documented)).status).toBe(400)
  })
})

// Last: it uses up what the others need.
describe('registrations', () => {
  verifies('oauth:attacks', 'are so many in a minute and no more', async () => {
    const statuses: number[] = []
    for (let count = 0; count < 31 && !statuses.includes(429); count += 1) {
      statuses.push((await client().register()).status)
    }
    expect(new Set(statuses)).toEqual(new Set([201, 429]))
    const { body, headers } = await client().register()
    expect(body['error']).toBe('temporarily_unavailable')
    // When the minute is over.
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(1)
  })
})
