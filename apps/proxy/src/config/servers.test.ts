import { describe, expect, it } from 'vitest'
import { load, serverOptions } from './server-options.fixture.ts'
import { serverId, toServerDefinitions } from './servers.ts'

function define(text: string, variables: Record<string, string> = {}) {
  const loaded = load(text, variables)
  const definitions = toServerDefinitions(loaded, loaded.environment, serverOptions)
  return {
    ...definitions,
    first: definitions.servers[0],
    problems: definitions.problems.map(loaded.explain),
    notices: definitions.notices.map(loaded.explain),
  }
}

const one = (entry: string, variables?: Record<string, string>) => define(`mcp_servers:\n  a: ${entry}`, variables)

describe('identity', () => {
  it('the id of a server depends on its name alone', () => {
    const before = one('{url: http://a, auth_type: bearer_token, auth_value: x}').first
    const after = one('{url: http://b, alias: other, transport: sse}').first
    expect(after?.id).toBe(before?.id)
    expect(define('mcp_servers: [{server_name: a, url: http://a}]').first?.id).toBe(before?.id)
    expect(serverId('b')).not.toBe(before?.id)
  })

  it('an explicit server_id wins', () => {
    expect(one('{url: http://a, server_id: mine}').first?.id).toBe('mine')
  })

  it('the revision changes with anything the entry means, and with nothing else', () => {
    const revision = (entry: string, variables?: Record<string, string>) => one(entry, variables).first?.revision
    const base = revision('{url: http://a, auth_type: bearer_token, auth_value: x}')
    expect(revision('{url: http://a, auth_type: bearer_token, auth_value: "${X}"}', { X: 'x' })).toBe(base)
    expect(
      define('# a comment\nmcp_servers: [{server_name: b, url: http://b}, {server_name: a, url: http://a}]').servers[1]
        ?.revision,
    ).toBe(define('mcp_servers: [{server_name: a, url: http://a}]').first?.revision)
    for (const other of [
      revision('{url: http://b, auth_type: bearer_token, auth_value: x}'),
      revision('{url: http://a, auth_type: bearer_token, auth_value: y}'),
      revision('{url: http://a, auth_type: bearer_token, auth_value: x, timeout: 5}'),
      revision('{url: http://a, auth_type: bearer_token, auth_value: x}', { LITELLM_MCP_CLIENT_TIMEOUT: '5' }),
    ]) {
      expect(other).not.toBe(base)
    }
  })
})

describe('what an entry means', () => {
  it('transport is http, or stdio where only a command is given', () => {
    expect(one('{url: http://a}').first?.transportType).toBe('http')
    expect(one('{command: run}').first?.transportType).toBe('stdio')
    expect(one('{url: http://a, spec_path: x.json}').first?.transportType).toBe('openapi')
    expect(one('{url: http://a, spec_path: x.json, transport: http}').first?.address).toBe('/etc/toolgate/x.json')
    expect(one('{spec_path: https://a/x.json}').first?.address).toBe('https://a/x.json')
    expect(one('{command: run, cwd: sub}').first?.address).toBe('run (in /etc/toolgate/sub)')
  })

  it('names, lists and permissions arrive as sets', () => {
    const { first } = one(
      '{url: http://a, extra_headers: [X-A], static_headers: {X-B: b}, access_groups: [g], allowed_tools: [], ' +
        'disallowed_tools: [d], allowed_params: {t: [p]}, prefix: false, isolation: call, ' +
        'require_approval: {never: {tool_names: [n]}}}',
    )
    expect(first).toMatchObject({
      extraHeaders: new Set(['x-a']),
      accessGroups: new Set(['g']),
      allowedTools: new Set(),
      disallowedTools: new Set(['d']),
      allowedParams: new Map([['t', new Set(['p'])]]),
      prefixed: false,
      isolation: 'call',
      requireApproval: { never: new Set(['n']), always: new Set() },
    })
    expect(first?.staticHeaders.get('x-b')?.reveal()).toBe('b')
  })

  it('the prefix is the alias of the entry, else the first of mcp_aliases, else the name', () => {
    const prefix = (entry: string) =>
      define(`litellm_settings: {mcp_aliases: {one: a, two: a}}\nmcp_servers: {a: ${entry}}`).first?.prefix
    expect(prefix('{url: http://a, alias: own}')).toBe('own')
    expect(prefix('{url: http://a}')).toBe('one')
    expect(one('{url: http://a}').first?.prefix).toBe('a')
  })

  it("time limits are LiteLLM's, from the environment or the entry", () => {
    const limits = { connectMs: 10_000, handshakeMs: 30_000, listMs: 30_000, callMs: 60_000, callTotalMs: 600_000 }
    expect(one('{url: http://a}').first?.timeouts).toEqual(limits)
    const variables = { LITELLM_MCP_CLIENT_TIMEOUT: '7', LITELLM_MCP_TOOL_LISTING_TIMEOUT: '8.5' }
    expect(one('{url: http://a}', variables).first?.timeouts).toMatchObject({ callMs: 7000, listMs: 8500 })
    expect(one('{url: http://a, timeout: 900}', variables).first?.timeouts).toMatchObject({
      callMs: 900_000,
      callTotalMs: 900_000,
    })
  })

  it('discovery may have a credential of its own', async () => {
    const { first } = one(
      '{url: http://a, auth_type: oauth_delegate, discovery_auth: {auth_type: api_key, auth_value: k}}',
    )
    expect(first).toMatchObject({ auth: { type: 'oauth_delegate' }, discoveryAuth: { type: 'api_key' } })
  })

  it('a setting of a method or transport that was not chosen is noticed', () => {
    expect(one('{url: http://a, auth_value: x, command: run}').notices).toEqual([
      'config.yaml:2:37 mcp_servers.a.command is not used by transport http with auth_type none.',
      'config.yaml:2:22 mcp_servers.a.auth_value is not used by transport http with auth_type none.',
    ])
  })
})

describe('a server that cannot be built', () => {
  it.each([
    ['', 'config.yaml:2:3 mcp_servers.a.url is missing; it must be a string.'],
    ['http://a', 'config.yaml:2:3 mcp_servers.a must be a map, is a string.'],
    [
      '{url: http://a, timeout: soon}',
      'config.yaml:2:22 mcp_servers.a.timeout must be a number of seconds, is a string.',
    ],
    [
      '{url: http://a, access_groups: dev}',
      'config.yaml:2:22 mcp_servers.a.access_groups must be a list, is a string.',
    ],
    [
      '{url: http://a, isolation: sesion}',
      expect.stringContaining('isolation must be one of server, principal, session, call (did you mean session?).'),
    ],
    [
      '{url: http://a, require_approval: maybe}',
      expect.stringContaining('mcp_servers.a.require_approval must be always, never, or a map'),
    ],
    [
      '{url: http://a, auth: {cookie_passthrough: {cookie_names: sid}}}',
      expect.stringContaining('auth.cookie_passthrough.cookie_names must be a list, is a string.'),
    ],
    ['{url: http://a, static_headers: {"X Y": z}}', expect.stringContaining('is not a name that can stand here')],
    [
      '{url: http://a, static_headers: {Content-Length: "3"}}',
      expect.stringContaining(
        'static_headers must not hold content-length, which cannot be set: the gateway itself says it',
      ),
    ],
    [
      '{url: http://a, extra_headers: [Mcp-Session-Id]}',
      expect.stringContaining('extra_headers[0] cannot be set: the gateway itself says it'),
    ],
    ['{url: http://a, timeout: 2147484}', expect.stringContaining('timeout must be at most 86400 seconds')],
    ['{}', 'config.yaml:2:3 mcp_servers.a.url is missing; it must be a string.'],
    ['{url: ftp://a}', 'config.yaml:2:7 mcp_servers.a.url must be an http or https address.'],
    [
      '{url: http://a, transport: htp}',
      'config.yaml:2:22 mcp_servers.a.transport must be one of http, sse, stdio, openapi (did you mean http?).',
    ],
    ['{url: http://a, auth_type: bearer}', expect.stringContaining('auth_type must be one of none, bearer_token,')],
    [
      '{url: http://a, auth_type: aws_sigv4, aws_role_name: x}',
      expect.stringContaining('aws_role_name must be the ARN of a role'),
    ],
    [
      '{url: http://a, auth_type: aws_sigv4, aws_role_name: "arn:aws:iam::123456789012:role/x"}',
      expect.stringContaining('aws_role_name needs aws_access_key_id and aws_secret_access_key'),
    ],
    [
      '{url: http://a, auth_type: oauth_delegate, dcr_bridge: true}',
      expect.stringContaining('dcr_bridge is not supported: clients register at the gateway in any case'),
    ],
    [
      '{url: http://a, auth_type: bearer_token, delegate_auth_to_upstream: true}',
      expect.stringContaining('delegate_auth_to_upstream has callers bring a token of their own'),
    ],
    [
      '{url: http://a, auth_type: oauth2_id_jag}',
      'config.yaml:2:22 mcp_servers.a.auth_type oauth2_id_jag is not supported by this version.',
    ],
    [
      '{url: http://a, auth_type: api_key, auth: {oauth2: {client_id: x}}}',
      expect.stringContaining('auth_type must be oauth2 or absent beside auth.oauth2'),
    ],
    [
      '{url: http://a, auth: {oauth2: {token_url: x}}}',
      expect.stringContaining('mcp_servers.a.auth.oauth2.token_url must be'),
    ],
    ['{spec_path: [x.json]}', expect.stringContaining('mcp_servers.a.spec_path must be a string')],
  ])('%s is left out with its reason and keeps no other from starting', (entry, problem) => {
    const { servers, problems } = define(`mcp_servers:\n  a: ${entry}\n  b: {url: http://b}`)
    expect(servers.map(({ name }) => name)).toEqual(['b'])
    expect(problems).toEqual([problem])
  })
})

it('of entries of a list without a name of their own, or with one that is taken, nothing is built', () => {
  const { servers, problems } = define(
    'mcp_servers: [{url: http://a}, {server_name: b, url: http://b}, {server_name: b}]',
  )
  expect(servers.map(({ name }) => name)).toEqual(['b'])
  expect(problems).toEqual([
    'config.yaml:1:15 mcp_servers[0].server_name must be a string, is missing.',
    'config.yaml:1:65 mcp_servers[2] has a server_name that an entry above has already.',
  ])
})

describe("the environment's OAuth2 client", () => {
  const variables = {
    LITELLM_MCP_AUTH_AUTO_PATCH: 'true',
    MCP_OAUTH2_TOKEN_URL: 'https://auth.example.com/token',
    MCP_OAUTH2_CLIENT_ID: 'toolgate',
    MCP_OAUTH2_CLIENT_SECRET: 'canary-secret',
    MCP_OAUTH2_SCOPES: 'read write',
  }

  it.each([
    '{url: http://a}',
    '{url: http://a, transport: sse}',
    '{url: http://a, auth: {cookie_passthrough: {cookie_names: [s]}}}',
  ])('goes to %s, which declares no authentication, and start-up says so', (entry) => {
    const { first, notices } = one(entry, variables)
    expect(first?.auth).toMatchObject({ type: 'oauth2', needsUserToken: false })
    expect(notices).toEqual(['config.yaml:2:3 mcp_servers.a receives the token of MCP_OAUTH2_TOKEN_URL, at http://a.'])
  })

  it.each([
    '{url: http://a, auth_type: none}',
    '{url: http://a, auth_type: bearer_token, auth_value: x}',
    '{url: http://a, auth_value: x}',
    '{url: http://a, static_headers: {Authorization: x}}',
    '{url: http://a, static_headers: {X-Api-Key: x}}',
    '{url: http://a, extra_headers: [Authorization]}',
    '{url: http://a, discovery_auth: {auth_type: none}}',
    '{command: run}',
  ])('never goes to %s', (entry) => {
    const { first, notices } = one(entry, variables)
    expect(first?.auth.type).not.toBe('oauth2')
    expect(notices.join('\n')).not.toContain('MCP_OAUTH2_TOKEN_URL')
  })

  it.each([
    ['a.example.com', 'http://a.example.com', true],
    ['A.example.com, b', 'https://a.example.com:8443/mcp', true],
    ['a.example.com:8443', 'https://a.example.com:8443/mcp', true],
    ['a.example.com:8443', 'https://a.example.com/mcp', false],
    ['*.example.com', 'http://deep.a.example.com', true],
    ['*.example.com', 'http://example.com', false],
    ['*.example.com', 'http://badexample.com', false],
    ['example.com', 'http://example.com.evil.test', false],
  ])('MCP_OAUTH2_ALLOWED_HOSTS=%s and %s: %s', (hosts, url, allowed) => {
    const { first } = one(`{url: "${url}"}`, { ...variables, MCP_OAUTH2_ALLOWED_HOSTS: hosts })
    expect(first?.auth.type).toBe(allowed ? 'oauth2' : 'none')
  })

  it('is off without the switch', () => {
    expect(one('{url: http://a}', { ...variables, LITELLM_MCP_AUTH_AUTO_PATCH: 'false' }).first?.auth.type).toBe('none')
  })

  it('that is incomplete is an error naming what is missing', () => {
    expect(() =>
      one('{url: http://a}', { ...variables, MCP_OAUTH2_CLIENT_SECRET: '', MCP_OAUTH2_CLIENT_ID: '' }),
    ).toThrow('these must be set too: MCP_OAUTH2_CLIENT_ID, MCP_OAUTH2_CLIENT_SECRET.')
  })
})

describe('what this version does not act on', () => {
  it('is a warning with its path', () => {
    const { warnings } = load("mcp_servers: {a: {url: 'http://a', source_url: 'http://a'}}")
    expect(warnings).toEqual([
      { path: ['mcp_servers', 'a', 'source_url'], message: expect.stringContaining('is accepted, not acted on') },
    ])
  })

  it.each(['allow_sampling: true', 'allow_elicitation: true', 'isolation: session', 'isolation: call'])(
    'does not count what doors with sessions carry: %s',
    (setting) => {
      expect(load(`mcp_servers: {a: {url: 'http://a', ${setting}}}`).warnings).toEqual([])
    },
  )
})

describe('notices', () => {
  it('tell a setting that does nothing from who receives a token', () => {
    const loaded = load("mcp_servers: {a: {url: 'http://a', auth_value: x}}")
    const { notices } = toServerDefinitions(loaded, loaded.environment, serverOptions)
    expect(notices.map(({ level, path }) => [level, path.at(-1)])).toEqual([['warning', 'auth_value']])

    const patched = load('mcp_servers: {a: {url: http://a}}', {
      LITELLM_MCP_AUTH_AUTO_PATCH: 'true',
      MCP_OAUTH2_TOKEN_URL: 'http://idp/token',
      MCP_OAUTH2_CLIENT_ID: 'id',
      MCP_OAUTH2_CLIENT_SECRET: 'secret',
    })
    const told = toServerDefinitions(patched, patched.environment, serverOptions).notices
    expect(told.map(({ level }) => level)).toEqual(['info'])
  })
})
