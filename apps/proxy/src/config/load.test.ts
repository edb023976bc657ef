import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { load, serverOptions } from './server-options.fixture.ts'
import { toServerDefinitions } from './servers.ts'
import { readSource } from './source.ts'

/** Every error of the file, a line each. */
function errorsOf(text: string, variables: Record<string, string> = {}): string[] {
  try {
    load(text, variables)
  } catch (error) {
    if (error instanceof Error) return error.message.split('\n')
  }
  return []
}

/** Those, or for a file that loads why servers are left out of it. */
function complaintsOf(text: string): string[] {
  const errors = errorsOf(text)
  if (errors.length > 0) return errors
  const { problems, explain } = load(text)
  return problems.map(explain)
}

function warningsOf(text: string, variables: Record<string, string> = {}): string[] {
  const { warnings, explain } = load(text, variables)
  return warnings.map(explain)
}

describe('errors name file, line, column, path and what to do', () => {
  it.each([
    [
      'general_settings: {mastr_key: x}',
      'config.yaml:1:20 general_settings.mastr_key is not a known key; did you mean master_key?',
    ],
    [
      'litellm_settings: {drop_parms: true}',
      'config.yaml:1:20 litellm_settings.drop_parms is not a known key; did you mean drop_params?',
    ],
    ['mcp_server: {}', 'config.yaml:1:1 mcp_server is not a known key; did you mean mcp_servers?'],
    [
      'mcp_servers:\n  a:\n    urll: http://x',
      'config.yaml:3:5 mcp_servers.a.urll is not a known key; did you mean url?',
    ],
    [
      'mcp_servers: {a: {auth: {oauth: {}}}}',
      'config.yaml:1:26 mcp_servers.a.auth.oauth is not a known key; did you mean oauth2?',
    ],
    [
      'mcp_servers: {a: {auth: {oauth2: {token_uri: x}}}}',
      expect.stringContaining('auth.oauth2.token_uri is not a known key; did you mean token_url?'),
    ],
    [
      'mcp_servers: {a: {auth: {cookie_passthrough: {cookies: [a]}}}}',
      expect.stringContaining('known are enabled, cookie_names'),
    ],
    [
      'virtual_keys:\n  - models: [a]',
      'config.yaml:2:5 virtual_keys[0] must have the key itself under key or api_key.',
    ],
    [
      'virtual_keys:\n  - key: sk-0123456789abc\n    colour: red',
      expect.stringContaining('config.yaml:3:5 virtual_keys[0].colour is not a known key; known are key,'),
    ],
    [
      'virtual_keys: [{key: sk-0123456789abc}, {api_key: sk-0123456789abc}]',
      'config.yaml:1:42 virtual_keys[1].api_key is refused: an earlier entry has the same key.',
    ],
    [
      'virtual_keys: [{key: sk-short}]',
      expect.stringMatching(
        /^config\.yaml:1:17 virtual_keys\[0\]\.key is refused: .* at least 16 printable characters/,
      ),
    ],
    [
      'virtual_keys: [{key: sk-0123456789abc, budget_duration: 3 moons}]',
      expect.stringContaining('virtual_keys[0].budget_duration is refused: write a duration as a number'),
    ],
    [
      'general_settings: {master_key: sk-0123456789abc}\nvirtual_keys: [{key: sk-0123456789abc}]',
      expect.stringContaining('virtual_keys[0] must not be the master key'),
    ],
    ['model_list:\n  - model_name: a', 'config.yaml:2:5 model_list[0].litellm_params is missing; it must be a map.'],
    ['model_list: {}', 'config.yaml:1:1 model_list must be a list, is a map.'],
    ['- a', 'config.yaml:1:1 must be a map, is a list.'],
  ])('%j', (text, expected) => {
    expect(errorsOf(text)).toEqual([expected])
  })

  it.each([
    ['a: [${X}]', 'config.yaml:1:6', 'quote strings that hold ${…}'],
    ['a: 1\na: 2', 'config.yaml:2:1', 'already in the same map'],
    ['a: !vault x', 'config.yaml:1:4', 'unknown tag'],
    ['a: *name', 'config.yaml:1:4', 'names no anchor'],
    ['a: 1\n---\nb: 2', 'config.yaml:2:1', 'more than one document'],
    ['a: "x', 'config.yaml:1:6', 'missing'],
  ])('syntax: %j', (text, place, reason) => {
    const [line = '', ...others] = errorsOf(text)
    expect(others).toEqual([])
    expect(line).toContain(place)
    expect(line).toContain(reason)
  })

  it('all errors are shown at once', () => {
    expect(errorsOf('mcp_servers: {a: {urll: x}}\nmodel_list: 7\nvirtual_keys: [{key: os.environ/NOPE}]')).toHaveLength(
      3,
    )
  })

  it('aliases cannot make a small file large', () => {
    const levels = Array.from({ length: 8 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`)
    expect(errorsOf(['l0: &l0 [x]', ...levels].join('\n'))[0]).toContain('aliases expand')
  })

  it('a file that is not there is one clear line', () => {
    expect(() => readSource('/nowhere/config.yaml')).toThrow('/nowhere/config.yaml: no such file.')
  })
})

describe('what LiteLLM accepts loads', () => {
  it('a key that is known there and not acted on here is one warning with its path', () => {
    expect(warningsOf('general_settings:\n  alerting: [slack]\nsearch_tools: [x]')).toEqual([
      'config.yaml:3:1 search_tools is accepted, not acted on.',
      'config.yaml:2:3 general_settings.alerting is accepted, not acted on.',
    ])
  })

  it('a key that is like no other is a warning in its sections', () => {
    expect(warningsOf('litellm_settings: {something_new: 1}')).toEqual([
      'config.yaml:1:20 litellm_settings.something_new is not a known key; it is ignored.',
    ])
  })

  it('disable_database is a warning; a second master key is one too', () => {
    const { config, warnings } = load(
      'litellm_settings: {disable_database: true, master_key: b}\ngeneral_settings: {master_key: a}',
    )
    expect(config.masterKey?.reveal()).toBe('a')
    expect(warnings.map(({ path }) => path.join('.'))).toEqual([
      'litellm_settings.master_key',
      'litellm_settings.disable_database',
    ])
  })

  it('fields of /key/generate that are not acted on are kept for the store', () => {
    const { config, warnings } = load(
      'virtual_keys: [{key: sk-0123456789abc, alias: team, max_budget: 5, soft_budget: 4, mcp_servers: []}]',
    )
    expect(config.virtualKeys[0]?.settings).toEqual({
      key_alias: 'team',
      max_budget: 5,
      soft_budget: 4,
      mcp_servers: [],
    })
    expect(warnings.map(({ path }) => path)).toEqual([['virtual_keys', 0, 'soft_budget']])
  })

  it('empty sections and empty settings count as absent; merge keys work', () => {
    const { config } = load(
      'model_list:\nmcp_servers:\n  a: &a\n    url: http://a\n    alias:\n  b:\n    <<: *a\n    url: http://b\n',
    )
    expect(config.servers.map(({ name, common }) => [name, common.alias])).toEqual([
      ['a', undefined],
      ['b', undefined],
    ])
  })

  it('a list of servers means the same as a map', () => {
    const { config } = load('mcp_servers: [{server_name: a-b, url: http://a}]')
    expect(config.servers.map(({ name }) => name)).toEqual(['a-b'])
  })

  it('a server that a key names and the file lacks is a warning with the nearest name', () => {
    expect(
      warningsOf(
        'mcp_servers: {github: {url: http://x}}\nvirtual_keys: [{key: sk-0123456789abc, mcp_servers: [githup]}]',
      ),
    ).toEqual(['config.yaml:2:54 virtual_keys[0].mcp_servers[0] names no server of this file; did you mean github?'])
  })

  it('a server that a key names is there, also where its entry is left out', () => {
    const keys = 'virtual_keys: [{key: sk-0123456789abc, mcp_servers: [github, gh, hub]}]'
    const entry = 'alias: gh, server_id: hub, url: http://x, timeout: soon'
    const { problems, warnings } = load(`mcp_servers: [{server_name: github, ${entry}}]\n${keys}`)
    expect(problems).toHaveLength(1)
    expect(warnings).toEqual([])
  })
})

describe('environment variables', () => {
  const value = (text: string, variables: Record<string, string> = {}) => {
    const { config } = load(`mcp_servers: {a: {url: http://a, description: ${JSON.stringify(text)}}}`, variables)
    return config.servers[0]?.common.description
  }

  it.each([
    ['os.environ/A', 'one'],
    ['${A}', 'one'],
    ['x-${A}-${B}', 'x-one-two'],
    ['${C:-three}', 'three'],
    ['${EMPTY:-four}', 'four'],
    ['${A:-three}', 'one'],
    ['$A and $$', '$A and $$'],
  ])('%s', (text, expected) => {
    expect(value(text, { A: 'one', B: 'two', EMPTY: '' })).toBe(expected)
  })

  it('what a variable holds is not read again', () => {
    expect(value('os.environ/A', { A: '${B} os.environ/B', B: 'inner' })).toBe('${B} os.environ/B')
  })

  it('a missing one is an error with its name and path', () => {
    expect(errorsOf('mcp_servers:\n  a:\n    url: https://${HOST_OF_A}/mcp')).toEqual([
      'config.yaml:3:5 mcp_servers.a.url needs the environment variable HOST_OF_A, which is not set.',
    ])
  })

  it('names of request headers and declared env_vars stay for requests to fill in, in static_headers and env only', () => {
    const text = [
      'mcp_servers:',
      '  a:',
      '    command: run',
      '    env: {TOKEN: "${X-USER-TOKEN}", USER_KEY: "${USER_KEY}", HOME: "${HOME}"}',
      '    static_headers: {X-Token: "Bearer ${X-USER-TOKEN}"}',
      '    env_vars: [{name: USER_KEY, scope: user}]',
    ].join('\n')
    const { config, warnings } = load(text, { HOME: '/root' })
    const settings: unknown = JSON.parse(config.servers[0]?.settings.reveal() ?? '')
    expect(settings).toMatchObject({
      env: { TOKEN: '${X-USER-TOKEN}', USER_KEY: '${USER_KEY}', HOME: '/root' },
      static_headers: { 'X-Token': 'Bearer ${X-USER-TOKEN}' },
    })
    expect(warnings).toEqual([])
    expect(errorsOf('mcp_servers: {a: {url: "http://${X-HOST}"}}')).toEqual([
      expect.stringContaining('headers of requests can be named in static_headers and env only'),
    ])
  })

  it('environment_variables fill what the process was not given', () => {
    const text =
      'environment_variables: {A: file, B: file, N: 5, PORT: 4100}\ngeneral_settings: {master_key: "${A}${B}${N}"}'
    const { config, environment } = load(text, { A: 'process' })
    expect(config.masterKey?.reveal()).toBe('processfile5')
    expect(environment.port).toBe(4100)
  })

  it('numbers and booleans may come from variables', () => {
    const { config } = load('mcp_servers: {a: {url: http://a, timeout: "${T}", allow_all_keys: os.environ/F}}', {
      T: '1.5',
      F: 'true',
    })
    expect(config.servers[0]?.common).toMatchObject({ timeout: 1500, allow_all_keys: true })
  })
})

describe('secrets', () => {
  const canary = 'canary-5e1f'

  it.each([
    `general_settings: {master_key: [${canary}]}`,
    `general_settings: {master_key: {${canary}: ${canary}}}`,
    `general_settings: {master_key: ${canary}, mcp_default_access: ${canary}}`,
    `virtual_keys: ${canary}`,
    `virtual_keys: [${canary}]`,
    `virtual_keys: [{key: 7, api_key: ${canary}, models: ${canary}}]`,
    `mcp_servers: {a: {url: http://a, auth_value: [${canary}], static_headers: {x: [${canary}]}, isolation: ${canary}}}`,
    `mcp_servers: {a: {url: http://a, discovery_auth: ${canary}, require_approval: ${canary}}}`,
    `model_list: [{model_name: a, litellm_params: {api_key: ${canary}}}]`,
    `password: *${canary}`,
    `password: !${canary}`,
    `password: "x" ${canary}`,
    `password: @${canary}`,
    `a: {password: ${canary}`,
    `environment_variables: {A: [${canary}]}`,
  ])('no error shows a value: %s', (text) => {
    const complaints = complaintsOf(text)
    expect(complaints.length).toBeGreaterThan(0)
    expect(complaints.join('\n')).not.toContain(canary)
  })

  it.each([
    `{url: ${canary}}`,
    `{transport: ${canary}, url: http://a}`,
    `{url: http://a, auth_type: ${canary}}`,
    `{url: http://a, auth_type: oauth2, token_url: ${canary}}`,
    `{url: http://a, auth: {oauth2: {client_id: [${canary}]}}}`,
    `{url: http://a, discovery_auth: {auth_type: ${canary}}}`,
    `{command: [${canary}]}`,
    `{spec_path: [${canary}]}`,
  ])('no quarantined server shows a value: %s', (entry) => {
    const loaded = load(`mcp_servers: {a: ${entry}}`)
    const { servers, problems } = toServerDefinitions(loaded, loaded.environment, serverOptions)
    expect(servers).toEqual([])
    expect(problems).toHaveLength(1)
    expect(problems.map(loaded.explain).join('\n')).not.toContain(canary)
  })

  it('printing what was loaded shows none', () => {
    const loaded = load(
      [
        'general_settings: {master_key: os.environ/S1, database_url: "postgres://${S2}@db/gate"}',
        'model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: os.environ/S3}}]',
        'mcp_servers:',
        '  a: {url: http://a, auth_type: bearer_token, auth_value: os.environ/S4, static_headers: {x: os.environ/S5}}',
        '  b: {command: run, env: {K: os.environ/S6}, api_keys: [os.environ/S7]}',
        '  c: {url: http://c, auth: {oauth2: {token_url: http://t, client_id: i, client_secret: os.environ/S8}}}',
        'virtual_keys: [{key: os.environ/S7}]',
      ].join('\n'),
      Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`S${index + 1}`, `sk-of-${canary}-${index + 1}`])),
    )
    const definitions = toServerDefinitions(loaded, loaded.environment, serverOptions)
    expect(definitions.servers).toHaveLength(3)
    for (const printed of [loaded, definitions]) {
      expect(inspect(printed, { depth: 20, showHidden: true })).not.toContain(canary)
      expect(JSON.stringify(printed)).not.toContain(canary)
    }
  })
})
