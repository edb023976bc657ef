import { type IdentityProvider, startIdentityProvider } from '@toolgate/testing/identity-provider'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { newClientKey } from '@toolgate/testing/oidc-server'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const behind = new AsyncDisposableStack()
const clock = fakeClock(Date.now())
const log = recordingLog()
const secret = 'secret-of-the-gateway-at-the-endpoint'
let provider: IdentityProvider
let endpoint: OauthServer
let upstream: RawMcpServer
let gateway: Booted
let key: string
beforeAll(async () => {
  provider = behind.use(await startIdentityProvider())
  const { pem } = await newClientKey()
  endpoint = behind.use(await startOauthServer())
  upstream = behind.use(await startRawMcpServer())
  const exchanging = {
    url: upstream.url,
    auth_type: 'oauth2_token_exchange',
    token_exchange_endpoint: endpoint.tokenUrl,
    client_id: 'toolgate',
    client_secret: secret,
  }
  gateway = behind.use(
    await boot({
      config: {
        general_settings: {
          enable_jwt_auth: true,
          litellm_jwtauth: { issuers: [{ issuer: provider.issuer, audience: 'toolgate' }] },
          mcp_default_access: 'all',
        },
        mcp_servers: {
          tickets: { ...exchanging, audience: 'tickets', scopes: ['read', 'write'] },
          graph: { ...exchanging, token_exchange_profile: 'entra_obo', scopes: ['api://graph/.default'] },
          nobody: { ...exchanging, client_secret: undefined },
          // Found through the server alone: it must not be told whose token this is.
          wandering: {
            ...exchanging,
            token_exchange_endpoint: undefined,
            client_secret: undefined,
            client_private_key: pem,
          },
        },
      },
      clock,
      log,
    }),
  )
  key = await gateway.makeKey()
})
afterAll(() => behind.disposeAsync())

let before: { asked: number; sent: number }
beforeEach(() => {
  before = { asked: endpoint.requests.length, sent: upstream.requests.length }
  endpoint.answer(({ form }) => ({
    body: {
      access_token: `for-${form.get('subject_token') ?? form.get('assertion')}`.slice(0, 60).replace(/\W/g, '-'),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3600,
    },
  }))
})
const asked = () => endpoint.requests.slice(before.asked).map(({ form }) => Object.fromEntries(form))
const bearers = () => [...new Set(upstream.requests.slice(before.sent).map(({ headers }) => headers.authorization))]

const call = async (headers: Record<string, string>, server = 'tickets') => {
  const body = { server_id: server, name: 'echo', arguments: {} }
  const response = await gateway.request('/mcp-rest/tools/call', { key: null, headers, body })
  return { status: response.status, text: await response.text() }
}
const withToken = (token: string, by = key) => ({ 'x-litellm-api-key': by, authorization: `Bearer ${token}` })

describe('a token that is exchanged', () => {
  verifies('identity:token-exchange', 'is asked for on behalf of whoever calls, in the words of RFC 8693', async () => {
    expect((await call(withToken('ada-1'))).status).toBe(200)
    expect(asked()).toEqual([
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: 'ada-1',
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        client_id: 'toolgate',
        client_secret: secret,
        audience: 'tickets',
        scope: 'read write',
      },
    ])
    expect(bearers()).toEqual(['Bearer for-ada-1'])
  })

  verifies('identity:token-exchange', 'is asked for as Entra wants it, where the profile says so', async () => {
    expect((await call(withToken('ada-2'), 'graph')).status).toBe(200)
    expect(asked()).toEqual([
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        requested_token_use: 'on_behalf_of',
        assertion: 'ada-2',
        client_id: 'toolgate',
        client_secret: secret,
        scope: 'api://graph/.default',
      },
    ])
    expect(bearers()).toEqual(['Bearer for-ada-2'])
  })

  verifies(
    'identity:token-exchange',
    'is kept for its caller and nobody else, and one request is made for many calls',
    async () => {
      const calls = ['eve-3', 'ada-3', 'eve-3', 'ada-3', 'ada-3'].map((token) => call(withToken(token)))
      expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 200))
      expect(new Set(asked().map(({ subject_token }) => subject_token))).toEqual(new Set(['ada-3', 'eve-3']))
      expect(asked()).toHaveLength(2)
      expect(new Set(bearers())).toEqual(new Set(['Bearer for-ada-3', 'Bearer for-eve-3']))
    },
  )

  verifies(
    'identity:token-exchange',
    'is exchanged once more where the server refuses it, for one more attempt',
    async () => {
      let refused = false
      upstream.answer(({ headers, message }) => {
        if (refused || message['method'] !== 'tools/call' || headers.authorization !== 'Bearer for-ada-4')
          return undefined
        refused = true
        return { status: 401 }
      })
      expect((await call(withToken('ada-4'))).status).toBe(200)
      expect(asked()).toHaveLength(2)
      upstream.answer(() => undefined)
    },
  )

  verifies(
    'identity:token-exchange',
    'is of the token that the caller was admitted with, where that is one',
    async () => {
      const token = await provider.sign({ sub: 'gus' })
      expect((await call({ authorization: `Bearer ${token}` })).status).toBe(200)
      expect(asked()).toMatchObject([{ subject_token: token }])
      for (const { raw } of upstream.requests) expect(raw).not.toContain(token)
      // Its life bounds what came of it.
      const short = await provider.sign({ sub: 'gus', exp: Math.floor(clock.now() / 1000) + 30 })
      await call(withToken(short))
      clock.advance(31_000)
      await call(withToken(short))
      expect(asked().filter(({ subject_token }) => subject_token === short).length).toBeGreaterThan(1)
    },
  )

  verifies('identity:token-exchange', 'is never the gateway’s own instead: who brings none is told to', async () => {
    const { status, text } = await call({ 'x-litellm-api-key': key })
    expect([status, text]).toEqual([401, expect.stringContaining('needs a credential of your own')])
    expect((await call(withToken('ada-5'), 'nobody')).status).toBe(401)
    expect(asked()).toEqual([])
    const list = await gateway.json('/mcp-rest/tools/list', { key })
    expect(JSON.stringify(list)).toContain('needs_auth')
  })

  verifies(
    'identity:token-exchange',
    'that is refused is a sign-in to do; an endpoint that fails is a fault',
    async () => {
      const refused = [401, expect.stringContaining('yours was refused')]
      // RFC 8693 §2.2.2 has the second one for a token that is not taken; for Entra that one is a mistake of the gateway's.
      for (const [server, error, answer] of [
        ['tickets', 'invalid_grant', refused],
        ['tickets', 'invalid_request', refused],
        ['tickets', 'invalid_token', refused],
        ['tickets', 'invalid_client', [502, expect.stringContaining('(invalid_client)')]],
        ['graph', 'interaction_required', refused],
        ['graph', 'invalid_request', [502, expect.stringContaining('(invalid_request)')]],
      ] as const) {
        endpoint.answer(() => ({ status: 400, body: { error, error_description: 'ada-6 has left' } }))
        const { status, text } = await call(withToken('ada-6'), server)
        expect([server, error, status, text]).toEqual([server, error, ...answer])
        expect(text).not.toMatch(/ada-6|has left/)
      }
    },
  )

  verifies('identity:token-exchange', 'goes where the operator says, and not where the server does', async () => {
    upstream.answer(({ path }) =>
      path.startsWith('/.well-known/')
        ? { body: { resource: upstream.url, authorization_servers: [endpoint.origin] } }
        : undefined,
    )
    const { status, text } = await call(withToken('ada-7'), 'wandering')
    expect([status, text]).toEqual([502, expect.stringContaining('a token of a caller is not sent there')])
    expect(asked()).toEqual([])
    upstream.answer(() => undefined)
  })

  verifies('identity:gateway-key-stays', 'and whatever it is exchanged for reach one party each', async () => {
    await call(withToken('ada-8'))
    for (const { raw } of upstream.requests) {
      for (const word of ['ada-8"', 'Bearer ada', key, secret]) expect(raw).not.toContain(word)
    }
    for (const { raw } of endpoint.requests) expect(raw).not.toContain(key)
    const lines = log.lines.join('\n')
    for (const word of ['ada-8', key, secret]) expect(lines).not.toContain(word)
  })

  verifies('identity:token-exchange', 'is told by explanations as what it is', async () => {
    const explained = await gateway.json('/v1/mcp/explain?server=tickets', {
      key,
      headers: { authorization: 'Bearer ada-9' },
    })
    expect(explained['credential']).toMatchObject({ source: 'exchanged_token' })
  })
})
