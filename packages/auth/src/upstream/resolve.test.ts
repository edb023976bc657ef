import {
  type Caller,
  createCallerScope,
  createOutbound,
  type Credential,
  type Forwarded,
  nothingForwarded,
  Secret,
  type ServerDefinition,
  sharedScope,
  silentLogger,
  type UpstreamAuth,
} from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import { serverDefinition } from '@toolgate/testing/server-definition'
import { upstreamAuthMethods } from './index.ts'
import { createCredentialSource } from './resolve.ts'

const secrets = (values: Record<string, string>): ReadonlyMap<string, Secret> =>
  new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)]))

function method(type: string, settings: object = {}): UpstreamAuth {
  const bound = upstreamAuthMethods.get(type)?.bind(settings)
  if (!bound?.ok) throw new TypeError(`settings of ${type} are wrong`)
  const token = {
    type: 'client_credentials',
    scope: sharedScope,
    headers: secrets({ authorization: 'Bearer minted' }),
    rejected: () => true,
  }
  return bound.create({
    tokens: { of: () => async () => token },
    exchange: { of: () => async () => undefined },
    outbound: createOutbound(),
    report() {},
  })
}

/** One for all: scopes of two makers cannot be compared. */
const scopeOf = createCallerScope()

const machineToMachine = { token_url: 'https://idp.example/token', client_id: 'id', client_secret: 'secret' }

interface ResolveOptions {
  readonly known?: readonly string[]
  readonly caller?: Caller
  readonly onlyServer?: boolean
}

/** Who calls, with what, which server: resolved among these known prefixes. */
async function resolve(
  server: ServerDefinition,
  forwarded: Partial<Forwarded>,
  { known = [], caller = callerOf(), onlyServer = true }: ResolveOptions = {},
): Promise<Credential> {
  const prefixes = [server.name, ...(server.alias ? [server.alias] : []), ...known]
  const source = createCredentialSource({ prefixes: () => prefixes, log: silentLogger, scopeOf })
  return source.forCaller(server, { ...caller, forwarded: { ...nothingForwarded, ...forwarded } }, { onlyServer })
}

function sent(credential: Credential): Record<string, string> {
  return Object.fromEntries([...credential.headers()].map(([name, value]) => [name, value.reveal()]))
}

describe('the order of precedence', () => {
  const everything: Partial<Forwarded> = {
    serverHeaders: secrets({ 'github-authorization': 'Bearer named' }),
    authorization: new Secret('Bearer forwarded'),
    legacyAuth: new Secret('legacy'),
  }
  const withoutNamed = { ...everything, serverHeaders: new Map() }
  const withoutForwarded = { ...withoutNamed, authorization: undefined }
  const extra = { extraHeaders: new Set(['authorization']) }

  it.each<[string, Partial<ServerDefinition>, Partial<Forwarded>, string | undefined, string]>([
    ['x-mcp-{alias}- beats all', { auth: method('oauth2') }, everything, 'Bearer named', 'caller'],
    [
      'x-mcp-{alias}- beats a minted token',
      { auth: method('oauth2', machineToMachine) },
      everything,
      'Bearer named',
      'caller',
    ],
    ['x-mcp-{alias}- reaches an open server', {}, everything, 'Bearer named', 'caller'],
    ['Authorization goes to oauth2', { auth: method('oauth2') }, withoutNamed, 'Bearer forwarded', 'caller'],
    [
      'Authorization goes to oauth_delegate',
      { auth: method('oauth_delegate') },
      withoutNamed,
      'Bearer forwarded',
      'caller',
    ],
    [
      'Authorization goes to true_passthrough',
      { auth: method('true_passthrough') },
      withoutNamed,
      'Bearer forwarded',
      'caller',
    ],
    [
      'Authorization goes where extra_headers lists it',
      { auth: method('bearer_token', { auth_value: 'own' }), ...extra },
      withoutNamed,
      'Bearer forwarded',
      'caller',
    ],
    [
      'Authorization goes nowhere else',
      { auth: method('bearer_token', { auth_value: 'own' }) },
      { authorization: new Secret('Bearer forwarded') },
      'Bearer own',
      'bearer_token',
    ],
    [
      'Authorization does not reach an open server',
      {},
      { authorization: new Secret('Bearer forwarded') },
      undefined,
      'none',
    ],
    [
      'Authorization does not replace a minted token',
      { auth: method('oauth2', machineToMachine) },
      { authorization: new Secret('Bearer forwarded') },
      'Bearer minted',
      'client_credentials',
    ],
    ['x-mcp-auth is used last', { auth: method('oauth2') }, withoutForwarded, 'Bearer legacy', 'caller'],
    [
      'x-mcp-auth beats the static value',
      { auth: method('token', { auth_value: 'own' }) },
      withoutForwarded,
      'token legacy',
      'caller',
    ],
    [
      'x-mcp-auth keeps its own scheme',
      {},
      { ...withoutForwarded, legacyAuth: new Secret('Basic abc=') },
      'Basic abc=',
      'caller',
    ],
    [
      'a minted token comes without help',
      { auth: method('oauth2', machineToMachine) },
      {},
      'Bearer minted',
      'client_credentials',
    ],
    ['a static value comes last', { auth: method('oauth2', { auth_value: 'own' }) }, {}, 'Bearer own', 'oauth2_static'],
    [
      'static_headers beat the caller',
      { auth: method('oauth2'), staticHeaders: secrets({ authorization: 'Bearer fixed' }) },
      everything,
      'Bearer fixed',
      'static_headers',
    ],
    [
      'static_headers open a server that needs a user',
      { auth: method('oauth2'), staticHeaders: secrets({ authorization: 'Bearer fixed' }) },
      {},
      'Bearer fixed',
      'static_headers',
    ],
  ])('%s', async (...[, server, forwarded, authorization, type]) => {
    const credential = await resolve(serverDefinition(server), forwarded)
    expect(sent(credential)).toEqual(authorization === undefined ? {} : { authorization })
    expect(credential.type).toBe(type)
  })

  it('x-mcp-auth is not used by a request that names more than this server', async () => {
    const server = serverDefinition({ auth: method('token', { auth_value: 'own' }) })
    expect(sent(await resolve(server, withoutForwarded, { onlyServer: false }))).toEqual({ authorization: 'token own' })
  })

  it('writes x-mcp-auth the way the server takes its key', async () => {
    expect(sent(await resolve(serverDefinition({ auth: method('api_key') }), withoutForwarded))).toEqual({
      'x-api-key': 'legacy',
    })
  })

  it('static_headers beat extra_headers', async () => {
    const server = serverDefinition({
      staticHeaders: secrets({ 'x-org': 'ours' }),
      extraHeaders: new Set(['x-org', 'x-team']),
    })
    const credential = await resolve(server, { headers: secrets({ 'x-org': 'theirs', 'x-team': 'a', 'x-other': 'b' }) })
    expect(sent(credential)).toEqual({ 'x-org': 'ours', 'x-team': 'a' })
  })

  it('a caller cannot add headers of its choice to the credential of the gateway', async () => {
    const server = serverDefinition({ auth: method('bearer_token', { auth_value: 'own' }) })
    const credential = await resolve(server, { serverHeaders: secrets({ 'github-x-act-as': 'ceo' }) })
    expect(sent(credential)).toEqual({ 'x-act-as': 'ceo' })
  })

  it('only the credential of the gateway can be replaced after a refusal', async () => {
    const server = serverDefinition({ auth: method('oauth2', machineToMachine) })
    expect((await resolve(server, {})).rejected()).toBe(true)
    expect((await resolve(server, everything)).rejected()).toBe(false)
  })
})

describe('a server that needs the credential of a user', () => {
  it.each(['oauth2', 'oauth_delegate', 'true_passthrough', 'bearer_token'])(
    '%s: says how to bring one',
    async (type) => {
      const server = serverDefinition({ name: 'GitHub', alias: 'git hub', auth: method(type) })
      await expect(resolve(server, {})).rejects.toMatchObject({
        code: 'UPSTREAM_SIGN_IN_REQUIRED',
        message: expect.stringMatching(/Server "GitHub" .*"x-mcp-git_hub-authorization"/),
        details: { server: 'GitHub', stage: 'credential' },
      })
    },
  )

  it('mentions Authorization only where it would be forwarded', async () => {
    await expect(resolve(serverDefinition({ auth: method('oauth2') }), {})).rejects.toThrow(/or as "Authorization"/)
    await expect(resolve(serverDefinition({ auth: method('api_key') }), {})).rejects.not.toThrow(
      /or as "Authorization"/,
    )
  })

  it('is not opened by a trace id alone', async () => {
    const server = serverDefinition({ auth: method('oauth2'), extraHeaders: new Set(['traceparent']) })
    await expect(resolve(server, { headers: secrets({ traceparent: '00-1-2-3' }) })).rejects.toMatchObject({
      code: 'UPSTREAM_SIGN_IN_REQUIRED',
    })
  })
})

describe('x-mcp-{alias}-{header}', () => {
  const headers = { 'git-hub-authorization': 'Bearer hub', 'git-authorization': 'Bearer git' }

  it('goes to the longest known alias and to no other', async () => {
    const forwarded = { serverHeaders: secrets(headers) }
    const known = ['git', 'git-hub']
    expect(sent(await resolve(serverDefinition({ name: 'git' }), forwarded, { known }))).toEqual({
      authorization: 'Bearer git',
    })
    expect(sent(await resolve(serverDefinition({ name: 'git-hub' }), forwarded, { known }))).toEqual({
      authorization: 'Bearer hub',
    })
    expect(sent(await resolve(serverDefinition({ name: 'gitlab' }), forwarded, { known }))).toEqual({})
  })

  it.each([
    ['the alias', { name: 'GitHub MCP', alias: 'gh' }, 'gh-x-key'],
    ['the name, although there is an alias', { name: 'GitHub', alias: 'gh' }, 'github-x-key'],
    ['a normalised name', { name: 'GitHub: (MCP)' }, 'github_mcp-x-key'],
    ['a name with dots as it is', { name: 'github.com' }, 'github.com-x-key'],
    ['a name with hyphens, normalised', { name: 'git-hub' }, 'git_hub-x-key'],
  ])('finds a server by %s', async (_case, server, header) => {
    expect(sent(await resolve(serverDefinition(server), { serverHeaders: secrets({ [header]: 'v' }) }))).toEqual({
      'x-key': 'v',
    })
  })

  it('belongs to the server that is called exactly so, not to one that is only written so', async () => {
    const forwarded = { serverHeaders: secrets({ 'git_hub-x-key': 'v' }) }
    const known = ['git_hub', 'git-hub']
    expect(sent(await resolve(serverDefinition({ name: 'git-hub' }), forwarded, { known }))).toEqual({})
    expect(sent(await resolve(serverDefinition({ name: 'git_hub' }), forwarded, { known }))).toEqual({ 'x-key': 'v' })
  })

  it('is refused where it could mean two servers', async () => {
    const forwarded = { serverHeaders: secrets({ 'git_hub-x-key': 'v' }) }
    for (const name of ['git hub', 'git.hub']) {
      await expect(
        resolve(serverDefinition({ name }), forwarded, { known: ['git hub', 'git.hub'] }),
      ).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: expect.stringContaining('"x-mcp-git_hub-x-key" fits more than one server'),
      })
    }
  })

  it('is refused with another value under the second name of the same server', async () => {
    const server = serverDefinition({ name: 'github', alias: 'gh' })
    const serverHeaders = secrets({ 'gh-authorization': 'a', 'github-authorization': 'b' })
    await expect(resolve(server, { serverHeaders })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it.each([
    'connection',
    'transfer-encoding',
    'host',
    'content-length',
    'content-type',
    'accept',
    'proxy-authorization',
    'cookie',
    'mcp-session-id',
    'mcp-protocol-version',
    'x-litellm-api-key',
    'x-mcp-servers',
  ])('cannot set %s', async (header) => {
    const forwarded = { serverHeaders: secrets({ [`github-${header}`]: 'v' }) }
    await expect(resolve(serverDefinition(), forwarded)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('sets the cookie of a server that takes all cookies', async () => {
    const server = serverDefinition({ extraHeaders: new Set(['cookie']) })
    expect(sent(await resolve(server, { serverHeaders: secrets({ 'github-cookie': 'a=1' }) }))).toEqual({
      cookie: 'a=1',
    })
  })
})

describe('cookies', () => {
  const cookies = secrets({ session_id: 's', user_id: 'u', other: 'o' })

  it('ride along with the credential of the gateway, those on the list and no others, in one header', async () => {
    const auth = method('oauth2', machineToMachine)
    const server = serverDefinition({ auth, cookieNames: new Set(['user_id', 'session_id', 'absent']) })
    expect(sent(await resolve(server, { cookies }))).toEqual({
      authorization: 'Bearer minted',
      cookie: 'session_id=s; user_id=u',
    })
  })

  it('stay here without a list', async () => {
    expect(sent(await resolve(serverDefinition(), { cookies }))).toEqual({})
  })

  it('go all where extra_headers lists the header', async () => {
    const server = serverDefinition({ extraHeaders: new Set(['cookie']) })
    expect(sent(await resolve(server, { cookies }))).toEqual({ cookie: 'session_id=s; user_id=u; other=o' })
  })
})

describe('whose credential it is', () => {
  const holder = async (server: Partial<ServerDefinition>, forwarded: Partial<Forwarded>, caller = callerOf()) => {
    const { scope } = await resolve(serverDefinition(server), forwarded, { caller })
    return scope.kind === 'shared' ? 'shared' : scope.holder
  }
  const token = (value: string) => ({ serverHeaders: secrets({ 'github-authorization': value }) })

  it('everybody’s, while nothing of a caller is sent', async () => {
    const auth = method('bearer_token', { auth_value: 'own' })
    expect(await holder({ auth }, { authorization: new Secret('Bearer mine'), headers: secrets({ 'x-a': '1' }) })).toBe(
      'shared',
    )
  })

  it('each one’s own on a key that two people share', async () => {
    expect(await holder({}, token('Bearer ann'))).not.toBe(await holder({}, token('Bearer bob')))
    expect(await holder({}, token('Bearer ann'))).toBe(await holder({}, token('Bearer ann')))
  })

  it('the user’s on a key that is bound to one', async () => {
    const caller = callerOf({ principal: principalOf({ id: 'ann', userId: 'ann' }) })
    expect(await holder({}, token('Bearer one'), caller)).toBe('ann')
    expect(await holder({}, token('Bearer two'), caller)).toBe('ann')
  })

  it('distinguishes extra headers and cookies too, even beside the credential of the gateway', async () => {
    const server = {
      auth: method('bearer_token', { auth_value: 'own' }),
      extraHeaders: new Set(['x-tenant']),
      cookieNames: new Set(['sid']),
    }
    const holders = [
      await holder(server, {}),
      await holder(server, { headers: secrets({ 'x-tenant': 'a' }) }),
      await holder(server, { headers: secrets({ 'x-tenant': 'b' }) }),
      await holder(server, { cookies: secrets({ sid: 'a' }) }),
    ]
    expect(new Set(holders).size).toBe(4)
    expect(holders[0]).toBe('shared')
  })

  it('a user’s, where the method presents a user’s credential, joined by what comes beside it', async () => {
    const seen: (Caller | undefined)[] = []
    const auth: UpstreamAuth = {
      ...method('none'),
      async present({ caller }) {
        seen.push(caller)
        const scope = caller ? ({ kind: 'holder', holder: caller.principal.id } as const) : sharedScope
        return { type: 'vault', scope, headers: secrets({ authorization: 'Bearer kept' }), rejected: () => true }
      },
    }
    const server = { auth, extraHeaders: new Set(['x-tenant']) }
    const [ann, bob] = ['ann', 'bob'].map((id) => callerOf({ principal: principalOf({ id, userId: id }) }))
    const tenant = { headers: secrets({ 'x-tenant': 'a' }) }
    expect([await holder(server, {}, ann), await holder(server, {}, bob)]).toEqual(['ann', 'bob'])
    expect(await holder(server, tenant, ann)).not.toBe(await holder(server, tenant, bob))
    expect(seen.map((caller) => caller?.principal.id)).toEqual(['ann', 'bob', 'ann', 'bob'])
  })

  it('does not change with trace ids, which are sent all the same', async () => {
    const server = serverDefinition({ extraHeaders: new Set(['traceparent', 'x-request-id']) })
    const credential = await resolve(server, { headers: secrets({ traceparent: '00-1', 'x-request-id': '7' }) })
    expect(credential.scope).toEqual(sharedScope)
    expect(sent(credential)).toEqual({ traceparent: '00-1', 'x-request-id': '7' })
  })

  it('is the gateway’s again where static_headers replace what was brought', async () => {
    const server = {
      auth: method('bearer_token', { auth_value: 'own' }),
      staticHeaders: secrets({ 'x-tenant': 'fixed' }),
    }
    expect(await holder(server, { serverHeaders: secrets({ 'github-x-tenant': 'other' }) })).toBe('shared')
  })
})

describe('discovery', () => {
  const source = createCredentialSource({ prefixes: () => ['github'], log: silentLogger })
  const { signal } = new AbortController()

  it('presents discovery_auth where there is one, with the static headers, and belongs to nobody', async () => {
    const server = serverDefinition({
      auth: method('oauth2'),
      discoveryAuth: method('bearer_token', { auth_value: 'discovery' }),
      staticHeaders: secrets({ 'x-org': 'ours' }),
    })
    const credential = await source.forDiscovery(server, signal)
    expect(sent(credential)).toEqual({ authorization: 'Bearer discovery', 'x-org': 'ours' })
    expect(credential).toMatchObject({ type: 'bearer_token', scope: sharedScope })
  })

  it('uses the method of the server otherwise, and can replace a refused token', async () => {
    const credential = await source.forDiscovery(serverDefinition({ auth: method('oauth2', machineToMachine) }), signal)
    expect(sent(credential)).toEqual({ authorization: 'Bearer minted' })
    expect(credential.rejected()).toBe(true)
  })

  it('says that a user is needed where only one opens the server', async () => {
    await expect(source.forDiscovery(serverDefinition({ auth: method('oauth2') }), signal)).rejects.toMatchObject({
      code: 'UPSTREAM_SIGN_IN_REQUIRED',
      details: { server: 'github' },
    })
  })
})
