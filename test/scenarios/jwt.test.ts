import { createHmac } from 'node:crypto'
import { type IdentityProvider, startIdentityProvider } from '@toolgate/testing/identity-provider'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const encoded = (part: object | string) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

describe('a token of the company’s identity provider', () => {
  let provider: IdentityProvider
  let gateway: Booted
  beforeAll(async () => {
    provider = await startIdentityProvider()
    gateway = await boot({
      config: {
        general_settings: {
          enable_jwt_auth: true,
          litellm_jwtauth: {
            issuers: [{ issuer: provider.issuer, audience: 'toolgate', roles_jwt_field: 'realm.roles' }],
            admin_jwt_scope: 'gateway:admin',
            scope_mappings: [{ scope: 'tools:git', mcp_servers: ['git'], models: ['small'] }],
            role_mappings: [{ role: 'crew', mcp_access_groups: ['crew'] }],
          },
        },
        model_list: [
          { model_name: 'small', litellm_params: { model: 'mock/echo' } },
          { model_name: 'large', litellm_params: { model: 'mock/echo' } },
        ],
        mcp_servers: {
          git: { url: 'http://127.0.0.1:1/mcp' },
          wiki: { url: 'http://127.0.0.1:1/mcp', access_groups: ['crew'] },
        },
      },
    })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await provider[Symbol.asyncDispose]()
  })

  const ask = async (token: string, path = '/v1/mcp/server') => {
    const response = await gateway.request(path, { key: null, headers: { authorization: `Bearer ${token}` } })
    const answer: unknown = await response.json()
    return { status: response.status, answer }
  }
  const named = (answer: unknown) =>
    Array.isArray(answer) ? answer.map((server: { server_name: string }) => server.server_name) : answer

  verifies('auth:jwt', 'reaches what its scopes and roles give and nothing else', async () => {
    const git = await ask(await provider.sign({ scope: 'openid tools:git' }))
    expect(named(git.answer)).toEqual(['git'])
    const both = await ask(await provider.sign({ scope: 'tools:git', realm: { roles: ['crew'] } }))
    expect(named(both.answer)).toEqual(['git', 'wiki'])
    const neither = await ask(await provider.sign({ scope: 'openid', roles: ['crew'] }))
    expect(neither).toEqual({ status: 200, answer: [] })
    const models = await ask(await provider.sign({ scope: 'tools:git' }), '/v1/models')
    expect(models.answer).toMatchObject({ data: [{ id: 'small' }] })
  })

  verifies('auth:jwt', 'administers only with the scope that the file names', async () => {
    expect(await ask(await provider.sign({ scope: 'gateway:admin' }), '/key/list')).toMatchObject({ status: 200 })
    expect(await ask(await provider.sign({ scope: 'litellm_proxy_admin' }), '/key/list')).toMatchObject({ status: 403 })
  })

  it('is a credential in every header that takes one', async () => {
    const token = await provider.sign()
    for (const name of ['x-litellm-api-key', 'x-litellm-key', 'x-api-key']) {
      const { status } = await gateway.request('/v1/mcp/server', { key: null, headers: { [name]: token } })
      expect(status).toBe(200)
    }
  })

  const now = () => Math.floor(Date.now() / 1000)
  const attacks: readonly (readonly [string, () => Promise<string>])[] = [
    ['without a signature (alg: none)', async () => `${encoded({ alg: 'none' })}.${await claimsOf()}.`],
    ['without a signature, under its own header', async () => `${(await provider.sign()).split('.', 2).join('.')}.`],
    ['signed with the public key as a shared secret', () => signedWithPublicKey()],
    ['signed by a stranger under a known key id', () => provider.sign({}, { strangersKey: true })],
    ['for another audience', () => provider.sign({ aud: 'payroll' })],
    ['for no audience', async () => provider.sign({ aud: [] })],
    ['of another issuer', () => provider.sign({ iss: 'https://elsewhere.example' })],
    ['of an issuer that differs by a slash', () => provider.sign({ iss: `${provider.issuer}/` })],
    ['that has expired', () => provider.sign({ exp: now() - 1 })],
    ['that never expires', () => provider.sign({}, { without: 'exp' })],
    ['that is not valid yet', () => provider.sign({ nbf: now() + 120 })],
    ['of nobody', () => provider.sign({}, { without: 'sub' })],
    ['with claims that were changed after it was signed', () => changed()],
    ['with a key id that leads elsewhere', () => provider.sign({}, { header: { kid: '../../../etc/passwd' } })],
    ['that is huge', () => provider.sign({ filler: 'x'.repeat(20_000) })],
    ['that is no JSON', async () => `${encoded('{"alg"')}.${encoded('{"iss"')}.AAAA`],
  ]

  const claimsOf = async () => (await provider.sign({ scope: 'gateway:admin' })).split('.')[1] ?? ''
  const signedWithPublicKey = async () => {
    const keys = await (await fetch(provider.jwksUrl)).text()
    const text = `${encoded({ alg: 'HS256', kid: 'key-1' })}.${await claimsOf()}`
    return `${text}.${createHmac('sha256', keys).update(text).digest('base64url')}`
  }
  const changed = async () => {
    const [header, claims = '', signature] = (await provider.sign()).split('.')
    const more = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), scope: 'gateway:admin' }
    return [header, encoded(more), signature].join('.')
  }

  for (const [what, forge] of attacks) {
    verifies('auth:jwt', `is refused ${what}, and nothing of it is repeated`, async () => {
      const token = await forge()
      const { status, answer } = await ask(token, '/key/list')
      expect(status).toBe(401)
      expect(JSON.stringify(answer)).not.toContain(token.split('.')[1]?.slice(0, 24) || 'no claims')
    })
  }

  verifies('auth:jwt', 'counts the last of two claims of one name, in its check and in what it gives', async () => {
    const claims = { iss: provider.issuer, aud: 'toolgate', sub: 'alice', exp: now() + 300, scope: 'gateway:admin' }
    const twice = JSON.stringify(claims).replace(/}$/, ',"scope":"tools:git","aud":"payroll"}')
    expect(await ask(await provider.signText(twice))).toMatchObject({ status: 401 })
    const narrowed = JSON.stringify(claims).replace(/}$/, ',"scope":"tools:git"}')
    const token = await provider.signText(narrowed)
    expect(named((await ask(token)).answer)).toEqual(['git'])
    expect(await ask(token, '/key/list')).toMatchObject({ status: 403 })
  })
})

/** A gateway whose only credentials beside the master key are tokens; every token may use every server. */
async function trusting(provider: IdentityProvider, more: object = {}, clock = fakeClock(Date.now())) {
  const jwt = { issuers: [{ issuer: provider.issuer, audience: 'toolgate' }] }
  const file = {
    general_settings: { enable_jwt_auth: true, litellm_jwtauth: jwt, mcp_default_access: 'all' },
    ...more,
  }
  const gateway = await boot({ clock, config: file })
  const ask = async (token: string) =>
    (await gateway.request('/v1/mcp/server', { key: null, headers: { authorization: `Bearer ${token}` } })).status
  return { gateway, ask, clock, file }
}

describe('the keys of an identity provider', () => {
  verifies('auth:jwt-keys', 'are read again for a key id that is new, and not for each that is unknown', async () => {
    await using provider = await startIdentityProvider()
    const { gateway, ask } = await trusting(provider)
    await using _ = gateway
    expect(await ask(await provider.sign())).toBe(200)
    expect(provider.keyRequests).toBe(1)
    for (let count = 0; count < 20; count += 1) {
      expect(await ask(await provider.sign({}, { header: { kid: `unknown-${count}` } }))).toBe(401)
    }
    expect(provider.keyRequests).toBe(1)
  })

  verifies('auth:jwt-keys', 'that are known go on while the provider is away; others get 503', async () => {
    await using provider = await startIdentityProvider()
    const { gateway, ask, clock, file } = await trusting(provider)
    await using _ = gateway
    expect(await ask(await provider.sign())).toBe(200)
    provider.goAway()
    // Beyond the life of the key set: it is asked for again, in vain.
    clock.advance(11 * 60_000)
    const late = Math.floor(clock.now() / 1000)
    expect(await ask(await provider.sign({ sub: 'bob', iat: late, exp: late + 300 }))).toBe(200)
    // Nor does a reload that changes something else cost them.
    await gateway.reload({ ...file, litellm_settings: { drop_params: true } })
    expect(await ask(await provider.sign({ sub: 'eve', iat: late, exp: late + 300 }))).toBe(200)
    await using stranger = await startIdentityProvider()
    stranger.goAway()
    const unknown = await trusting(stranger)
    await using __ = unknown.gateway
    expect(await unknown.ask(await stranger.sign())).toBe(503)
  })
})

describe('a token and the servers behind the gateway', () => {
  verifies('auth:jwt', 'is never sent to them', async () => {
    await using provider = await startIdentityProvider()
    await using upstream = await startRawMcpServer((request) =>
      request.message['method'] === 'tools/list'
        ? { body: resultFor(request, { tools: [{ name: 'look', inputSchema: { type: 'object' } }] }) }
        : undefined,
    )
    const servers = { mcp_servers: { open: { url: upstream.url, extra_headers: ['Authorization'] } } }
    const { gateway } = await trusting(provider, servers)
    await using _ = gateway
    const token = await provider.sign({ sub: 'carol' })
    const { status } = await gateway.request('/mcp-rest/tools/call', {
      key: null,
      headers: { 'x-litellm-api-key': token, authorization: `Bearer ${token}` },
      body: { server_id: 'open', name: 'look', arguments: {} },
    })
    expect(status).toBe(200)
    expect(upstream.requests.length).toBeGreaterThan(0)
    for (const { raw } of upstream.requests) expect(raw).not.toContain(token)
  })
})

describe('keys that an identity provider names at another address', () => {
  verifies('auth:jwt', 'are not asked for inside, unless the operator allows that network', async () => {
    await using keys = await startIdentityProvider()
    await using provider = await serveOnLoopback((request) =>
      Response.json({ issuer: new URL(request.url).origin, jwks_uri: keys.jwksUrl }),
    )
    const config = (mcp_allowed_private_networks: readonly string[]) => ({
      general_settings: {
        mcp_allowed_private_networks,
        enable_jwt_auth: true,
        litellm_jwtauth: { issuers: [{ issuer: provider.origin, audience: 'toolgate' }] },
      },
    })
    await using gateway = await boot({ config: config([]) })
    const authorization = `Bearer ${await keys.sign({ iss: provider.origin })}`
    const ask = async () => (await gateway.request('/v1/mcp/server', { key: null, headers: { authorization } })).status
    expect([await ask(), keys.keyRequests]).toEqual([503, 0])
    await gateway.reload(config(['127.0.0.0/8']))
    expect(await ask()).toBe(200)
  })

  verifies('auth:jwt', 'are found in either kind of metadata, and never in those of another issuer', async () => {
    await using keys = await startIdentityProvider()
    let said: (origin: string) => object = (origin) => ({ issuer: `${origin}/realm/`, jwks_uri: keys.jwksUrl })
    await using provider = await serveOnLoopback((request) => {
      const { origin, pathname } = new URL(request.url)
      // RFC 8414 §3.1; it is no OpenID provider.
      if (pathname === '/.well-known/oauth-authorization-server/realm') return Response.json(said(origin))
      return new Response('<html>Nothing here</html>', { headers: { 'content-type': 'text/html' } })
    })
    const issuer = `${provider.origin}/realm`
    const config = {
      general_settings: {
        mcp_allowed_private_networks: ['127.0.0.0/8'],
        enable_jwt_auth: true,
        litellm_jwtauth: { issuers: [{ issuer, audience: 'toolgate' }] },
      },
    }
    const authorization = `Bearer ${await keys.sign({ iss: issuer })}`
    const ask = async () => {
      await using gateway = await boot({ config })
      return (await gateway.request('/v1/mcp/server', { key: null, headers: { authorization } })).status
    }
    expect(await ask()).toBe(200)
    const { keyRequests } = keys
    for (const odd of [
      (origin: string) => ({ issuer: `${origin}/another`, jwks_uri: keys.jwksUrl }),
      (origin: string) => ({ issuer: `${origin}/realm`, jwks_uri: 'file:///etc/passwd' }),
      (origin: string) => ({ issuer: `${origin}/realm` }),
    ]) {
      said = odd
      expect([await ask(), keys.keyRequests]).toEqual([503, keyRequests])
    }
  })
})
