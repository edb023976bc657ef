import { createOutbound, GatewayError, type PresentedCredential, Secret } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type OauthServer, startOauthServer, type TokenEndpointAnswer } from '@toolgate/testing/oauth-server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createClientCredentials } from './client-credentials.ts'
import type { DeclaredGrant, TokenTuning } from './token-mint.ts'

const jira = { name: 'jira', address: 'https://jira.example/mcp' }
const outbound = createOutbound()
const { signal } = new AbortController()

let endpoint: OauthServer
beforeEach(async () => {
  endpoint = await startOauthServer()
})
afterEach(() => endpoint[Symbol.asyncDispose]())

function grantOf(overrides: Partial<DeclaredGrant> = {}): DeclaredGrant {
  return {
    tokenUrl: endpoint.tokenUrl,
    clientId: 'toolgate',
    client: { method: 'client_secret_post', secret: new Secret('client-secret-canary') },
    scopes: [],
    ...overrides,
  }
}

function start(tuning: Partial<TokenTuning> = {}) {
  const clock = fakeClock()
  return { clock, tokens: createClientCredentials({ outbound, clock, tuning }) }
}

function presented(credential: PresentedCredential): string | undefined {
  return credential.headers.get('authorization')?.reveal()
}

/** Answers with token-1, token-2, … and these further fields. */
function minting(fields: object) {
  endpoint.answer(({ number }) => ({ body: { access_token: `token-${number}`, token_type: 'Bearer', ...fields } }))
}

async function failureOf(work: Promise<unknown>): Promise<GatewayError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof GatewayError)) throw new TypeError('expected a GatewayError', { cause: error })
  return error
}

describe('asking for a token', () => {
  it('sends client, secret, scopes, audience and resource in the body by default', async () => {
    const { tokens } = start()
    const grant = grantOf({ scopes: ['read', 'write'], audience: 'https://api', resource: 'https://mcp.example/mcp' })
    expect(presented(await tokens.of(grant)({ server: jira, signal }))).toBe('Bearer token-1')
    expect(Object.fromEntries(endpoint.requests[0]?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: 'toolgate',
      client_secret: 'client-secret-canary',
      scope: 'read write',
      audience: 'https://api',
      resource: 'https://mcp.example/mcp',
    })
    expect(endpoint.requests[0]?.headers.authorization).toBeUndefined()
  })

  it('sends form-encoded client and secret as Basic, and neither in the body, with client_secret_basic', async () => {
    const { tokens } = start()
    const client = { method: 'client_secret_basic', secret: new Secret('p:ä s+s') } as const
    await tokens.of(grantOf({ clientId: 'a b', client }))({
      server: jira,
      signal,
    })
    const [request] = endpoint.requests
    const sent = request?.headers.authorization?.replace('Basic ', '') ?? ''
    expect(Buffer.from(sent, 'base64').toString()).toBe('a+b:p%3A%C3%A4+s%2Bs')
    expect(Object.fromEntries(request?.form ?? [])).toEqual({ grant_type: 'client_credentials' })
  })
})

describe('sharing a token', () => {
  it('asks once for 200 concurrent first calls', async () => {
    const { tokens } = start()
    const release = Promise.withResolvers<void>()
    endpoint.answer(async ({ number }) => {
      await release.promise
      return { body: { access_token: `token-${number}`, token_type: 'bearer', expires_in: 3600 } }
    })
    const calls = Array.from({ length: 200 }, () => tokens.of(grantOf())({ server: jira, signal }))
    release.resolve()
    const headers = new Set((await Promise.all(calls)).map(presented))
    expect(headers).toEqual(new Set(['Bearer token-1']))
    expect(endpoint.requests).toHaveLength(1)
  })

  it('goes on for the others when one of the waiting callers leaves', async () => {
    const { tokens } = start()
    const release = Promise.withResolvers<void>()
    endpoint.answer(async () => {
      await release.promise
      return { body: { access_token: 'token', token_type: 'Bearer' } }
    })
    const leaving = new AbortController()
    const left = failureOf(tokens.of(grantOf())({ server: jira, signal: leaving.signal }))
    const stayed = tokens.of(grantOf())({ server: jira, signal })
    leaving.abort()
    expect((await left).code).toBe('CANCELLED')
    release.resolve()
    expect(presented(await stayed)).toBe('Bearer token')
  })

  it('never serves a token of another secret, client, method, scope, audience or resource', async () => {
    const { tokens } = start()
    const grants = [
      grantOf(),
      grantOf({ client: { method: 'client_secret_post', secret: new Secret('rotated') } }),
      grantOf({ clientId: 'other' }),
      grantOf({ client: { method: 'client_secret_basic', secret: new Secret('client-secret-canary') } }),
      grantOf({ scopes: ['read'] }),
      grantOf({ audience: 'x' }),
      grantOf({ resource: 'x' }),
    ]
    const headers = new Set<string | undefined>()
    for (const grant of grants) headers.add(presented(await tokens.of(grant)({ server: jira, signal })))
    expect(headers.size).toBe(grants.length)
  })

  it('keeps no more tokens than the bound', async () => {
    const { tokens } = start({ maxTokens: 2 })
    for (const audience of ['a', 'b', 'c', 'c', 'b']) await tokens.of(grantOf({ audience }))({ server: jira, signal })
    expect(endpoint.requests).toHaveLength(3)
    await tokens.of(grantOf({ audience: 'a' }))({ server: jira, signal })
    expect(endpoint.requests).toHaveLength(4)
  })
})

describe('how long a token is used', () => {
  it.each([
    { expiresIn: 3600, usedForSeconds: 3540, why: 'until the buffer before its end' },
    { expiresIn: '3600', usedForSeconds: 3540, why: 'with the seconds as text' },
    { expiresIn: 65, usedForSeconds: 10, why: 'at least the minimum' },
    { expiresIn: 4, usedForSeconds: 4, why: 'never beyond its own life, whatever the minimum' },
    { expiresIn: null, usedForSeconds: 3600, why: 'the default without expires_in' },
    { expiresIn: undefined, usedForSeconds: 3600, why: 'the default without expires_in' },
  ])('expires_in $expiresIn: $usedForSeconds s, $why', async ({ expiresIn, usedForSeconds }) => {
    const { clock, tokens } = start()
    minting({ expires_in: expiresIn })
    await tokens.of(grantOf())({ server: jira, signal })
    clock.advance(usedForSeconds * 1000 - 1)
    expect(presented(await tokens.of(grantOf())({ server: jira, signal }))).toBe('Bearer token-1')
    clock.advance(1)
    expect(presented(await tokens.of(grantOf())({ server: jira, signal }))).toBe('Bearer token-2')
  })

  it('does not keep a token that is over at once', async () => {
    const { tokens } = start()
    minting({ expires_in: 0 })
    expect(presented(await tokens.of(grantOf())({ server: jira, signal }))).toBe('Bearer token-1')
    expect(presented(await tokens.of(grantOf())({ server: jira, signal }))).toBe('Bearer token-2')
  })
})

describe('a token the upstream refuses', () => {
  it('is replaced once for all calls that carried it', async () => {
    const { tokens } = start()
    const calls = await Promise.all(Array.from({ length: 20 }, () => tokens.of(grantOf())({ server: jira, signal })))
    expect(calls.map((call) => call.rejected())).toEqual(Array.from({ length: 20 }, () => true))
    const again = await Promise.all(Array.from({ length: 20 }, () => tokens.of(grantOf())({ server: jira, signal })))
    expect(new Set(again.map(presented))).toEqual(new Set(['Bearer token-2']))
    expect(endpoint.requests).toHaveLength(2)
  })

  it('takes no newer token with it when the refusal comes late', async () => {
    const { clock, tokens } = start()
    const [first, late] = [
      await tokens.of(grantOf())({ server: jira, signal }),
      await tokens.of(grantOf())({ server: jira, signal }),
    ]
    first.rejected()
    await tokens.of(grantOf())({ server: jira, signal })
    clock.advance(60_000)
    expect(late.rejected()).toBe(true)
    expect(presented(await tokens.of(grantOf())({ server: jira, signal }))).toBe('Bearer token-2')
    expect(endpoint.requests).toHaveLength(2)
  })

  it('is not replaced again and again while the upstream refuses every token', async () => {
    const { clock, tokens } = start()
    expect((await tokens.of(grantOf())({ server: jira, signal })).rejected()).toBe(true)
    expect((await tokens.of(grantOf())({ server: jira, signal })).rejected()).toBe(false)
    expect((await tokens.of(grantOf())({ server: jira, signal })).rejected()).toBe(false)
    expect(endpoint.requests).toHaveLength(2)
    clock.advance(10_000)
    expect((await tokens.of(grantOf())({ server: jira, signal })).rejected()).toBe(true)
  })
})

describe('an answer that is no token', () => {
  const canary = 'body-canary'
  const json = (body: object | null, status = 200): TokenEndpointAnswer => ({ status, body })
  const token = { access_token: canary, token_type: 'Bearer' }

  it.each<[string, TokenEndpointAnswer, string]>([
    [
      'an HTTP error with a registered code',
      json({ error: 'invalid_client', error_description: canary }, 401),
      'HTTP 401 (invalid_client)',
    ],
    ['an HTTP error with a code of its own', json({ error: canary }, 400), 'HTTP 400.'],
    ['a server error in HTML', { status: 500, body: `<h1>${canary}</h1>` }, 'HTTP 500'],
    ['text', { body: canary }, 'did not answer with a JSON object'],
    ['nothing', { body: '' }, 'did not answer with a JSON object'],
    ['a JSON array', json([canary]), 'did not answer with a JSON object'],
    ['a JSON null', json(null), 'did not answer with a JSON object'],
    ['no access_token', json({ token_type: 'Bearer', id_token: canary }), 'without an access_token'],
    ['an empty access_token', json({ ...token, access_token: '' }), 'without an access_token'],
    ['an access_token that is no text', json({ ...token, access_token: { canary } }), 'without an access_token'],
    ['an access_token with a line break', json({ ...token, access_token: `${canary}\r\nx: y` }), 'no header can carry'],
    ['a token_type other than Bearer', json({ ...token, token_type: 'DPoP' }), 'token_type'],
    ['a negative expires_in', json({ ...token, expires_in: -1 }), 'expires_in'],
    ['a negative expires_in as text', json({ ...token, expires_in: '-1' }), 'expires_in'],
    ['an expires_in that is no number', json({ ...token, expires_in: canary }), 'expires_in'],
    ['an expires_in of another type', json({ ...token, expires_in: true }), 'expires_in'],
    ['an endless answer', { body: canary.repeat(10_000) }, 'larger than'],
    ['a redirect to elsewhere', { status: 307, headers: { location: 'http://127.0.0.2:1/' }, body: '' }, 'Redirect'],
    ['no answer at all', 'hang', 'did not answer within 0.1 s'],
  ])('%s: names server and host, leaks nothing, is not kept', async (_case, answer, reason) => {
    const { tokens } = start({ requestTimeoutMs: answer === 'hang' ? 100 : 10_000 })
    endpoint.answer(() => answer)
    const error = await failureOf(tokens.of(grantOf())({ server: jira, signal }))
    expect(error.code).toBe('UPSTREAM_TOKEN_UNAVAILABLE')
    expect(error.message).toContain('server "jira"')
    expect(error.message).toContain(`token endpoint at ${endpoint.host}`)
    expect(error.message).toContain(reason)
    expect(error.details).toEqual({ server: 'jira', stage: 'credential' })
    expect(everythingIn(error)).not.toMatch(/body-canary|client-secret-canary/)

    minting({})
    expect(presented(await tokens.of(grantOf())({ server: jira, signal }))).toBe('Bearer token-2')
  })

  it('is told from an endpoint that cannot be reached', async () => {
    const { tokens } = start()
    const error = await failureOf(
      tokens.of(grantOf({ tokenUrl: 'http://127.0.0.1:1/token' }))({ server: jira, signal }),
    )
    expect(error.code).toBe('UPSTREAM_TOKEN_UNAVAILABLE')
    expect(error.message).toContain('127.0.0.1:1 could not be reached')
  })

  it('accepts any case of Bearer, and none', async () => {
    const { tokens } = start()
    for (const type of ['bearer', 'BEARER', undefined]) {
      minting({ token_type: type })
      const credential = await tokens.of(grantOf({ audience: String(type) }))({ server: jira, signal })
      expect(presented(credential)).toMatch(/^Bearer token-/)
    }
  })
})

it('says that the request ran out of time when the deadline of the request passed first', async () => {
  const { tokens } = start()
  endpoint.answer(() => 'hang')
  const error = await failureOf(tokens.of(grantOf())({ server: jira, signal: AbortSignal.timeout(50) }))
  expect(error.code).toBe('UPSTREAM_TIMEOUT')
  expect(error.details).toEqual({ server: 'jira', stage: 'credential' })
})

/** Message, stack, internal note and all causes. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const internal = error instanceof GatewayError ? `${error.internal} ${JSON.stringify(error.details)}` : ''
  return `${error.stack} ${internal} ${error.cause === undefined ? '' : everythingIn(error.cause)}`
}
