import { createOutbound, GatewayError, Secret, sharedScope, type UpstreamAuth } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import type { ClientCredentials } from '../tokens/client-credentials.ts'
import type { DeclaredGrant } from '../tokens/token-mint.ts'
import { serverDefinition } from '@toolgate/testing/server-definition'
import { upstreamAuthMethods } from './index.ts'

const { signal } = new AbortController()

function bind(type: string, settings: object) {
  const method = upstreamAuthMethods.get(type)
  if (method === undefined) throw new TypeError(`no method ${type}`)
  return method.bind(settings)
}

/** The method as configuration makes it, with what it reported and the grants it asked tokens for. */
function create(type: string, settings: object) {
  const reports: string[] = []
  const grants: DeclaredGrant[] = []
  const tokens: ClientCredentials = {
    of(grant) {
      grants.push(grant)
      const headers = new Map([['authorization', new Secret('Bearer minted')]])
      return async () => ({ type: 'client_credentials', scope: sharedScope, headers, rejected: () => true })
    },
  }
  const bound = bind(type, settings)
  if (!bound.ok) throw new TypeError(JSON.stringify(bound.issues))
  const auth = bound.create({
    tokens,
    exchange: { of: () => async () => undefined },
    outbound: createOutbound(),
    report: (level, message) => void reports.push(`${level}: ${message}`),
  })
  return { auth, reports, grants }
}

async function presented(auth: UpstreamAuth) {
  const credential = await auth.present({ server: serverDefinition(), caller: undefined, signal })
  return credential && Object.fromEntries([...credential.headers].map(([name, value]) => [name, value.reveal()]))
}

describe('a static credential', () => {
  it.each([
    ['bearer_token', 'abc', { authorization: 'Bearer abc' }],
    ['bearer_token', 'bearer abc', { authorization: 'bearer abc' }],
    ['bearer_token', ' abc\n', { authorization: 'Bearer abc' }],
    ['token', 'abc', { authorization: 'token abc' }],
    ['authorization', 'Custom abc', { authorization: 'Custom abc' }],
    ['api_key', 'abc', { 'x-api-key': 'abc' }],
    ['basic', 'user:pässword', { authorization: `Basic ${Buffer.from('user:pässword').toString('base64')}` }],
    ['basic', 'dXNlcjpwYXNz', { authorization: 'Basic dXNlcjpwYXNz' }],
  ])('%s with %j is sent as %j, under either name of the setting', async (type, value, headers) => {
    for (const setting of ['authentication_token', 'auth_value']) {
      const { auth, reports } = create(type, { [setting]: value })
      expect(await presented(auth)).toEqual(headers)
      expect(auth).toMatchObject({ type, needsUserToken: false, forwardsAuthorization: false })
      expect(reports).toEqual([])
    }
  })

  it.each(['bearer_token', 'token', 'authorization', 'api_key', 'basic'])(
    '%s without a value loads with a warning and needs what the request brings',
    async (type) => {
      for (const settings of [{}, { auth_value: '' }, { auth_value: null }]) {
        const { auth, reports } = create(type, settings)
        expect(await presented(auth)).toBeUndefined()
        expect(auth.needsUserToken).toBe(true)
        expect(reports).toEqual([expect.stringContaining(`warning: auth_type ${type} has neither`)])
      }
    },
  )

  it('cannot be replaced by asking again, so a refusal is final', async () => {
    const { auth } = create('bearer_token', { auth_value: 'abc' })
    expect((await auth.present({ server: serverDefinition(), caller: undefined, signal }))?.rejected()).toBe(false)
  })

  it('with a line break inside is refused without being quoted', () => {
    const bound = bind('api_key', { auth_value: 'canary\r\nx-admin: 1' })
    expect(bound).toMatchObject({ ok: false, issues: [{ path: ['auth_value'] }] })
    expect(JSON.stringify(bound)).not.toContain('canary')
  })

  it('with two different values says which one is used', async () => {
    const { auth, reports } = create('api_key', { auth_value: 'a', authentication_token: 'b' })
    expect(await presented(auth)).toEqual({ 'x-api-key': 'b' })
    expect(reports).toEqual(['warning: authentication_token and auth_value differ; authentication_token is used.'])
  })
})

describe('oauth2', () => {
  const client = { token_url: 'https://idp.example/token', client_id: 'id', client_secret: 'secret' }

  it.each([
    ['client_credentials is asked for', { ...client, oauth2_flow: 'client_credentials' }, true],
    [
      'it is asked for, whatever the authorization_url',
      { ...client, oauth2_flow: 'client_credentials', authorization_url: 'https://idp.example/a' },
      true,
    ],
    ['token_url, client_id and client_secret are given alone', client, true],
    ['nulls stand for absent fields', { ...client, oauth2_flow: null, authorization_url: null }, true],
    ['there is an authorization_url', { ...client, authorization_url: 'https://idp.example/a' }, false],
    ['authorization_code is asked for', { ...client, oauth2_flow: 'authorization_code' }, false],
    ['client_secret is missing', { ...client, client_secret: undefined }, false],
    ['client_id is missing', { ...client, client_id: undefined }, false],
    ['token_url is missing', { ...client, token_url: undefined }, false],
    ['nothing is given', {}, false],
  ])('where %s, settings %j mean client credentials: %s', async (_case, settings, machineToMachine) => {
    const { auth } = create('oauth2', settings)
    expect(auth).toMatchObject({ needsUserToken: !machineToMachine, forwardsAuthorization: !machineToMachine })
    expect(await presented(auth)).toEqual(machineToMachine ? { authorization: 'Bearer minted' } : undefined)
  })

  it('asks for a token with everything that was configured', async () => {
    const { auth, grants } = create('oauth2', {
      ...client,
      scopes: ['read', 'write'],
      audience: 'aud',
      resource: 'res',
      token_endpoint_auth_method: 'client_secret_basic',
    })
    await presented(auth)
    expect(grants[0]).toMatchObject({
      tokenUrl: client.token_url,
      clientId: 'id',
      client: { method: 'client_secret_basic', secret: new Secret('secret') },
      scopes: ['read', 'write'],
      audience: 'aud',
      resource: 'res',
    })
    const [{ client: proof } = {}] = grants
    expect(proof?.method === 'client_secret_basic' && proof.secret.reveal()).toBe('secret')
  })

  it('reads scopes from one text too', async () => {
    const { auth, grants } = create('oauth2', { ...client, scopes: 'read  write ' })
    await presented(auth)
    expect(grants[0]?.scopes).toEqual(['read', 'write'])
  })

  it('tells that the flow was inferred, and what an incomplete one lacks', () => {
    expect(create('oauth2', client).reports).toEqual([expect.stringMatching(/^info: No oauth2_flow/)])
    expect(create('oauth2', { oauth2_flow: 'client_credentials' }).reports).toEqual([
      expect.stringMatching(/^warning: Client credentials need client_id and client_secret/),
    ])
  })

  it('presents a static token to those who bring none, never instead of a token endpoint that fails', async () => {
    expect(await presented(create('oauth2', { auth_value: 'static' }).auth)).toEqual({ authorization: 'Bearer static' })

    const bound = bind('oauth2', { ...client, auth_value: 'static' })
    if (!bound.ok) throw new TypeError('settings are right')
    const failure = new GatewayError('UPSTREAM_TOKEN_UNAVAILABLE', 'down')
    const auth = bound.create({
      tokens: { of: () => () => Promise.reject(failure) },
      exchange: { of: () => async () => undefined },
      outbound: createOutbound(),
      report() {},
    })
    await expect(presented(auth)).rejects.toBe(failure)
  })

  it.each([{ token_url: 'file:///etc/passwd' }, { oauth2_flow: 'implicit' }, { token_endpoint_auth_method: 'none' }])(
    'refuses %j with its path',
    (settings) => {
      expect(bind('oauth2', settings)).toMatchObject({ ok: false, issues: [{ path: Object.keys(settings) }] })
    },
  )
})

it.each(['true_passthrough', 'oauth_delegate'])(
  '%s has nothing of its own and wants the caller’s Authorization',
  async (type) => {
    const { auth } = create(type, {})
    expect(auth).toMatchObject({ type, forwardsAuthorization: true, needsUserToken: true })
    expect(await presented(auth)).toBeUndefined()
  },
)

it('none presents nothing, needs nothing and wants nothing of the caller', async () => {
  const { auth } = create('none', {})
  expect(auth).toMatchObject({ type: 'none', forwardsAuthorization: false, needsUserToken: false })
  expect(await presented(auth)).toBeUndefined()
})

it('a setting that a method does not know is an issue with its name', () => {
  for (const type of upstreamAuthMethods.types) {
    expect(bind(type, { auth_valeu: 'x' })).toMatchObject({ ok: false, issues: [{ keys: ['auth_valeu'] }] })
  }
})
