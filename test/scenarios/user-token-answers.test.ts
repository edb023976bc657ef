import { userTokens } from '@toolgate/db'
import { describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { browse } from './oauth-browser.ts'
import { startUserTokenWorld as startWorld } from './user-token-world.ts'

describe('an authorization server that says nothing in many words', () => {
  verifies('oauth:user-tokens', 'has people sign in, for as long as the token is taken', async () => {
    await using world = await startWorld({ expires_in: null, refresh_token: null, scope: null })
    for (let count = 0; count < 2; count += 1) expect(await world.call()).toEqual({ status: 200 })
    expect(world.there.requests).toHaveLength(1)
    expect(await world.status()).toMatchObject({ expires_at: null, is_expired: false, needs_reauth: false })
  })

  verifies('oauth:user-tokens-refresh', 'leaves the refresh token that there is', async () => {
    await using world = await startWorld()
    world.minted({ refresh_token: '', scope: 'read \u0000 write' })
    world.pass(3_700)
    expect(await world.call()).toEqual({ status: 200 })
    world.minted({ token_type: 'DPoP' })
    world.pass(3_700)
    expect(await world.call()).toMatchObject({ status: 502, error: 'upstream_token_unavailable' })
    const refreshed = world.there.requests.slice(1).map(({ form }) => form.get('refresh_token'))
    expect(refreshed).toEqual(['refresh', 'refresh'])
    const [row] = await world.database.db.select().from(userTokens)
    expect(row?.scopes).toEqual(['read', 'write'])
  })
})

describe('an authorization server of which the operator wrote the endpoints alone', () => {
  verifies('oauth:user-tokens', 'is known by where it is, in what it says of itself', async () => {
    await using world = await startWorld({}, (origin) => ({
      authorization_url: `${origin}/realms/one/authorize`,
      token_url: `${origin}/realms/one/token`,
    }))
    const { there, leave } = world
    for (const [iss, status] of [
      [`${there.origin}/realms/one`, 200],
      [there.origin, 200],
      ['https://elsewhere.example/realms/one', 502],
      ['no address', 502],
    ] as const) {
      const before = there.requests.length
      const page = await (await leave())(`&iss=${encodeURIComponent(iss)}`)
      expect([iss, page.status, there.requests.length - before]).toEqual([iss, status, status === 200 ? 1 : 0])
    }
  })
})

describe('an authorization server that registers nobody', () => {
  verifies('oauth:user-tokens', 'is told by its code, and what else it says is not repeated', async () => {
    await using world = await startWorld()
    const { there, here, key, log, configWith } = world
    const { url, auth_type, oauth2_flow } = configWith('').mcp_servers.repo
    there.documents.set('/.well-known/oauth-authorization-server', {
      ...there.documents.get('/.well-known/oauth-authorization-server'),
      registration_endpoint: `${there.origin}/register`,
    })
    await here.reload({ mcp_servers: { repo: { url, auth_type, oauth2_flow, issuer: there.origin } } })
    const left = async () => {
      const browser = browse(here)
      return (await browser.send(await browser.open('/connect/repo'), { key })).status
    }
    world.answer({ status: 400, body: { error: 'invalid_redirect_uri', error_description: 'words-of-theirs' } })
    expect(await left()).toBe(502)
    expect(log.lines.join('\n')).toContain(`${there.host} answered 400: it registers no client`)
    expect(log.lines.join('\n')).toContain('invalid_redirect_uri')
    world.answer({ status: 403, body: 'words-of-theirs' })
    expect(await left()).toBe(502)
    expect(log.lines.join('\n')).not.toContain('words-of-theirs')
  })
})

describe('a token that a user hands over', () => {
  verifies('oauth:user-tokens', 'is one that can be presented, or is refused at once', async () => {
    await using world = await startWorld()
    const path = '/v1/mcp/server/repo/oauth-user-credential'
    for (const access_token of ['two\nlines-of-ada', 'two words-of-ada', 'ümlaut-of-ada', '✓-of-ada', 'nul\0-of-ada']) {
      const answer = await world.here.json(path, { key: world.key, body: { access_token }, status: 400 })
      expect(JSON.stringify(answer)).not.toContain('-of-ada')
    }
    await world.here.json(path, { key: world.key, body: { access_token: 'x', refresh_token: 'a\nb' }, status: 400 })
    expect(await world.call()).toEqual({ status: 200 })
    expect(world.presented()).toBe('Bearer token-1')
  })
})

describe('an authorization server with words of its own', () => {
  for (const error of ['bad_refresh_token', 'invalid_refresh_token']) {
    verifies('oauth:user-tokens-refresh', `has people sign in again where it says ${error}`, async () => {
      await using world = await startWorld()
      world.answer({ status: 200, body: { ok: false, error } })
      world.pass(3_700)
      expect(await world.call()).toMatchObject({ status: 401, error: 'upstream_sign_in_required' })
      expect(await world.status()).toMatchObject({ needs_reauth: true })
      world.minted()
      await world.connect()
      expect(await world.call()).toEqual({ status: 200 })
    })
  }
})

describe('a server that refuses one request', () => {
  verifies('oauth:user-tokens-refresh', 'costs no token, and ends no account', async () => {
    await using world = await startWorld()
    const challenge = { 'www-authenticate': 'Bearer error="insufficient_scope", scope="admin"' }
    world.upstream.answer(({ message }) =>
      message['method'] === 'tools/call' ? { status: 403, headers: challenge } : undefined,
    )
    for (let count = 0; count < 3; count += 1) expect((await world.call()).status).toBe(401)
    expect(world.there.requests).toHaveLength(1)
    expect(world.upstream.received('tools/call')).toHaveLength(3)
    expect(await world.status()).toMatchObject({ is_expired: false, needs_reauth: false })
    world.upstream.answer(() => undefined)
    expect(await world.call()).toEqual({ status: 200 })
  })
})
