import { userTokens } from '@toolgate/db'
import type { TokenEndpointAnswer } from '@toolgate/testing/oauth-server'
import { describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, textOf } from './oauth-browser.ts'
import { startUserTokenWorld as startWorld } from './user-token-world.ts'

const away = { status: 503, body: 'away' }

describe('an authorization server that hangs', () => {
  verifies('oauth:user-tokens-refresh', 'costs nobody whose token is good a moment, and is left alone', async () => {
    await using world = await startWorld()
    const { there, call, clock, log } = world
    world.answer('hang')
    world.pass(3_570)
    // The clock stands still: whoever waited would wait for ever.
    for (let count = 0; count < 3; count += 1) expect(await call()).toEqual({ status: 200 })
    expect(world.presented()).toBe('Bearer token-1')
    await vi.waitFor(() => expect(there.requests).toHaveLength(2))
    clock.advance(10_000)
    await vi.waitFor(() => expect(log.lines.join('\n')).toContain(`${there.host} gave no answer`))
    world.minted()
    expect(await call()).toEqual({ status: 200 })
    expect(there.requests).toHaveLength(2)
    clock.advance(15_000)
    await call()
    await vi.waitFor(async () => {
      expect(await call()).toEqual({ status: 200 })
      expect(world.presented()).toBe('Bearer token-3')
    })
    expect(there.requests).toHaveLength(3)
  })

  verifies('oauth:user-tokens-refresh', 'is left by a caller that leaves, and asked on for whoever comes', async () => {
    await using world = await startWorld()
    const { there, call, upstream } = world
    const { promise: answer, resolve } = Promise.withResolvers<TokenEndpointAnswer>()
    there.answer(() => answer)
    world.pass(3_700)
    const leaving = new AbortController()
    const left = call(leaving.signal).catch(() => ({ status: 499 }))
    await vi.waitFor(() => expect(there.requests).toHaveLength(2))
    leaving.abort()
    expect((await left).status).not.toBe(200)
    expect(upstream.received('tools/call')).toHaveLength(0)
    resolve({ body: { access_token: 'late', token_type: 'Bearer', expires_in: 3600, refresh_token: 'next' } })
    await vi.waitFor(async () => {
      world.clock.advance(200)
      expect((await world.status())['is_expired']).toBe(false)
    })
    expect(await call()).toEqual({ status: 200 })
    expect([world.presented(), there.requests.length]).toEqual(['Bearer late', 2])
  })
})

describe('tokens of a short life', () => {
  verifies('oauth:user-tokens-refresh', 'are used for most of it, and not replaced by each call', async () => {
    await using world = await startWorld({ refresh_token: 'refresh', expires_in: 60 })
    for (let count = 0; count < 5; count += 1) expect(await world.call()).toEqual({ status: 200 })
    expect(world.there.requests).toHaveLength(1)
    world.pass(48)
    await world.call()
    await vi.waitFor(() => expect(world.there.requests).toHaveLength(2))
  })
})

describe('an authorization server that is away', () => {
  verifies('oauth:user-tokens-refresh', 'is told as that, also after the server refused a token', async () => {
    await using world = await startWorld()
    const { call, upstream, log } = world
    world.answer(away)
    upstream.answer(({ headers }) => (headers.authorization === 'Bearer token-1' ? { status: 401 } : undefined))
    const refused = { status: 502, error: 'upstream_token_unavailable' }
    expect(await call()).toMatchObject(refused)
    expect(await call()).toMatchObject(refused)
    expect(world.there.requests).toHaveLength(2)
    expect(await world.status()).toMatchObject({ needs_reauth: false })
    expect(log.lines.join('\n')).toContain(`${world.there.host} answered 503`)
    expect(log.lines.join('\n')).not.toMatch(/token-1|secret-one/)
    world.minted()
    world.clock.advance(15_000)
    expect(await call()).toEqual({ status: 200 })
  })
})

describe('a token that cannot be replaced', () => {
  /** Whether a client that signs in at the endpoint is led to the server. */
  const isLed = async ({ here, key }: Awaited<ReturnType<typeof startWorld>>) => {
    const id = await clientOf(here).newClient()
    const browser = browse(here)
    const url = new URL(authorizeUrl(id, { resource: `${base}/mcp/repo` }).search, `${base}/repo/authorize`)
    const agreed = await browser.send(await browser.open(url), { key, decision: 'allow' })
    return agreed.location === undefined
  }
  const toSignIn = { status: 401, error: 'upstream_sign_in_required', connect_url: `${base}/connect/repo` }

  verifies('oauth:user-tokens', 'is none after its end, and a sign-in mends it', async () => {
    await using world = await startWorld({})
    expect(await world.call()).toEqual({ status: 200 })
    world.pass(7_200)
    expect(await world.call()).toMatchObject(toSignIn)
    expect(world.upstream.received('tools/call')).toHaveLength(1)
    expect(await world.status()).toMatchObject({ is_expired: true, needs_reauth: true })
    expect(await isLed(world)).toBe(true)
    await world.connect()
    expect(await world.call()).toEqual({ status: 200 })
  })

  verifies('oauth:user-tokens', 'is none after its server refused it, and a sign-in mends it', async () => {
    await using world = await startWorld({ expires_in: undefined })
    const { upstream, here, key } = world
    const challenge = { 'www-authenticate': 'Bearer resource_metadata="https://elsewhere.example/"' }
    upstream.answer(({ headers }) =>
      headers.authorization === 'Bearer token-1' ? { status: 403, headers: challenge } : undefined,
    )
    // That was of one request.
    expect(await world.call()).toMatchObject(toSignIn)
    expect(await world.status()).toMatchObject({ needs_reauth: false })
    upstream.answer(({ headers }) =>
      headers.authorization === 'Bearer token-1' ? { status: 401, headers: challenge } : undefined,
    )
    const accept = 'application/json, text/event-stream'
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } }
    const refused = await here.request(`${base}/mcp/repo`, { key, headers: { accept }, body })
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      `Bearer resource_metadata="${base}/.well-known/oauth-protected-resource/mcp/repo"`,
    ])
    expect(await world.status()).toMatchObject({ is_expired: false, needs_reauth: true })
    expect(await isLed(world)).toBe(true)
    const before = upstream.requests.length
    expect(await world.call()).toMatchObject(toSignIn)
    expect(upstream.requests).toHaveLength(before)
    await world.connect()
    expect(await world.call()).toEqual({ status: 200 })
  })
})

describe('a server that refuses whatever is issued for it', () => {
  verifies('oauth:user-tokens-refresh', 'costs one request for a token, and is a sign-in to do', async () => {
    await using world = await startWorld()
    world.upstream.answer(() => ({ status: 401 }))
    const refused = { status: 401, connect_url: `${base}/connect/repo` }
    for (let count = 0; count < 3; count += 1) expect(await world.call()).toMatchObject(refused)
    expect(world.there.requests).toHaveLength(2)
    expect(await world.status()).toMatchObject({ is_expired: false, needs_reauth: true })
  })

  verifies('oauth:user-tokens-refresh', 'and then takes what there is, asks nobody to sign in any more', async () => {
    await using world = await startWorld()
    world.upstream.answer(() => ({ status: 401 }))
    await world.call()
    expect(await world.status()).toMatchObject({ needs_reauth: true })
    world.upstream.answer(() => undefined)
    expect(await world.call()).toEqual({ status: 200 })
    world.clock.advance(5 * 60_000)
    expect(await world.status()).toMatchObject({ is_expired: false, needs_reauth: false })
    expect(await world.call()).toEqual({ status: 200 })
    expect(world.there.requests).toHaveLength(2)
  })
})

describe('a client secret of the operator', () => {
  verifies('oauth:user-tokens', 'is in the settings, and not beside what is kept of users', async () => {
    await using world = await startWorld()
    const [row] = await world.database.db.select().from(userTokens)
    const kept = await world.sealer.open(
      row?.sealed ?? '',
      `user_tokens:${JSON.stringify([row?.owner, row?.serverId])}`,
    )
    expect(kept.reveal()).toContain('"client_id":"toolgate"')
    expect(kept.reveal()).not.toContain('secret-one')
  })

  verifies(
    'oauth:user-tokens-refresh',
    'is replaced for those who signed in before, and never costs an account',
    async () => {
      await using world = await startWorld()
      const { there, call } = world
      there.answer(({ form }) =>
        form.get('client_secret') === 'secret-two'
          ? { body: { access_token: 'new', token_type: 'Bearer', expires_in: 3600, refresh_token: 'next' } }
          : { status: 401, body: { error: 'invalid_client', error_description: 'not secret-one' } },
      )
      world.pass(3_700)
      expect(await call()).toMatchObject({ status: 502, error: 'upstream_token_unavailable' })
      expect(await world.status()).toMatchObject({ needs_reauth: false })
      expect(world.log.lines.join('\n')).toContain(`${there.host} answered 401: it says`)
      expect(world.log.lines.join('\n')).not.toContain('not secret-one')
      await world.here.reload(world.configWith('secret-two'))
      world.clock.advance(15_000)
      expect(await call()).toEqual({ status: 200 })
      expect(world.presented()).toBe('Bearer new')
    },
  )
})

describe('a life beyond any date', () => {
  verifies('oauth:user-tokens', 'is a long one, whoever says so', async () => {
    await using world = await startWorld({ expires_in: 1e15 })
    expect(await world.call()).toEqual({ status: 200 })
    const path = '/v1/mcp/server/repo/oauth-user-credential'
    const given = await world.here.json(path, { key: world.key, body: { access_token: 'mine', expires_in: 1e15 } })
    expect(Date.parse(textOf(given['expires_at']))).toBeGreaterThan(Date.now())
  })
})
