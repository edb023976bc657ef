import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { mcpServers } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { describe, expect, it } from 'vitest'
import { boot, type Booted } from '../boot.ts'

const loopback = { general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] } }
const withCommands = { env: { LITELLM_ENABLE_MCP_STDIO: 'true' } }
const somewhere = 'https://mcp.example.com/mcp'

const send = async (gateway: Booted, method: string, { path = '/v1/mcp/server', ...body }: Record<string, unknown>) => {
  const response = await gateway.request(String(path), { method, ...(method !== 'GET' && { body }) })
  const text = await response.text()
  return { status: response.status, answer: text === '' ? undefined : JSON.parse(text) }
}
const fieldsOf = ({ answer }: { answer: { detail: { loc: string[] }[] } }) =>
  answer.detail.map(({ loc }) => loc.slice(1).join('.'))

/** Answers its arguments as its tools. */
const echoing = `
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line)
    const tools = process.argv.slice(1).map((name) => ({ name, inputSchema: { type: 'object' } }))
    const hello = { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } }
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: method === 'initialize' ? hello : { tools } }))
  })`

describe('a change of a stored server', () => {
  it('may take one argument out, and the others stay what they were', async () => {
    await using gateway = await boot(withCommands)
    const body = { server_name: 's', transport: 'stdio', command: 'node', args: ['-e', echoing, 'one', 'two', 'three'] }
    const { answer: created } = await send(gateway, 'POST', body)
    expect(created.args).toEqual(['[redacted:0]', '[redacted:1]', '[redacted:2]', '[redacted:3]', '[redacted:4]'])
    const [first, script, , second, third] = created.args
    const { server_id } = created
    const changed = await send(gateway, 'PUT', { server_id, args: [first, script, second, third] })
    expect(changed).toMatchObject({
      status: 202,
      answer: { args: ['[redacted:0]', '[redacted:1]', '[redacted:2]', '[redacted:3]'] },
    })
    const { tools } = await gateway.json('/v1/mcp/tools')
    expect(tools).toMatchObject([{ name: 's-two' }, { name: 's-three' }])
    for (const args of [['[redacted]'], ['[redacted:9]'], [first, script, '[redacted]']]) {
      const refused = await send(gateway, 'PUT', { server_id, args })
      expect([args, refused.status, fieldsOf(refused)]).toEqual([args, 422, [`args.${args.length - 1}`]])
    }
  })

  it('sends no stored secret to another address or command', async () => {
    await using one = await startRawMcpServer()
    await using two = await startRawMcpServer()
    await using gateway = await boot({ config: loopback, ...withCommands })
    const auth = { auth_type: 'bearer_token', credentials: { auth_value: 'kept-secret' } }
    const body = { server_name: 's', url: `${one.url}?k=x`, ...auth, static_headers: { 'x-a': 'a' } }
    const { answer: created } = await send(gateway, 'POST', body)
    const { server_id } = created
    const put = (change: object) => send(gateway, 'PUT', { server_id, ...change })

    const moved = await put({ url: two.url })
    expect([moved.status, fieldsOf(moved).toSorted()]).toEqual([422, ['credentials.auth_value', 'static_headers']])
    const sentBack = await put({ ...created, url: two.url })
    expect([sentBack.status, fieldsOf(sentBack).toSorted()]).toEqual([
      422,
      ['credentials.auth_value', 'static_headers'],
    ])
    const borrowed = await put({ ...auth, static_headers: null, url: created.url.replace(one.url, two.url) })
    expect([borrowed.status, fieldsOf(borrowed)]).toEqual([422, ['url']])
    const token = await put({ token_url: `${two.url}/token` })
    expect(token.status).toBe(422)
    const command = await put({ transport: 'stdio', url: null, command: 'node' })
    expect(command.status).toBe(422)
    expect(two.requests).toEqual([])

    // The same origin, and all of it given anew or cleared.
    expect((await put({ url: `${one.url}?k=y` })).status).toBe(202)
    expect((await put({ url: two.url, ...auth, static_headers: null })).status).toBe(202)
    await gateway.json('/v1/mcp/tools')
    expect(two.received('tools/list')[0]?.headers).toMatchObject({ authorization: 'Bearer kept-secret' })
    expect(two.received('tools/list')[0]?.headers).not.toHaveProperty('x-a')
  })

  it('sends no stored secret to another place of tokens', async () => {
    await using gateway = await boot()
    const fields = {
      token_exchange_endpoint: {
        auth_type: 'oauth2_token_exchange',
        credentials: { client_id: 'c', client_secret: 'kept' },
      },
      aws_sts_endpoint: {
        auth_type: 'aws_sigv4',
        credentials: { aws_access_key_id: 'a', aws_secret_access_key: 'kept', aws_region_name: 'eu-west-1' },
      },
    }
    for (const [field, { credentials, ...auth }] of Object.entries(fields)) {
      const at = (place: string) => (field.startsWith('aws') ? { credentials: { [field]: place } } : { [field]: place })
      const settings = { ...auth, url: somewhere, ...at('https://login.example.com/token') }
      const body = { server_name: field, ...settings, credentials: { ...settings.credentials, ...credentials } }
      const { answer, status } = await send(gateway, 'POST', body)
      expect([field, status]).toEqual([field, 201])
      const moved = await send(gateway, 'PUT', { server_id: answer.server_id, ...at('https://elsewhere.example.com/') })
      expect([field, moved.status]).toEqual([field, 422])
      expect(fieldsOf(moved)).toContainEqual(
        expect.stringMatching(/^credentials\.(?:client_secret|aws_secret_access_key)$/),
      )
      const inside = await send(gateway, 'POST', { ...body, server_name: 'inside', ...at('http://127.0.0.1/') })
      expect([field, inside.status]).toEqual([field, 422])
      expect(fieldsOf(inside)).toEqual([field])
    }
  })

  it('names a server by id, name or alias, in use or set aside', async () => {
    const database = await openTestDatabase()
    const aside = { id: 'id-aside', name: 'aside', alias: 'as', createdBy: 'x', updatedBy: 'x', settings: { url: 7 } }
    await database.db.insert(mcpServers).values([aside])
    await using gateway = await boot({ database })
    for (const handle of ['id-aside', 'aside', 'as']) {
      const path = `/v1/mcp/server/${handle}`
      expect(await gateway.json(path)).toMatchObject({ server_id: 'id-aside', status: 'quarantined' })
      expect(await gateway.json(`${path}/versions`)).toEqual({
        server_id: 'id-aside',
        server_name: 'aside',
        versions: [],
      })
      const refreshed = await gateway.request(`${path}/refresh`, { method: 'POST' })
      expect([refreshed.status, await refreshed.text()]).toEqual([
        400,
        expect.stringContaining('aside is not in use: url'),
      ])
    }
    expect(await send(gateway, 'PUT', { server_id: 'as', url: somewhere })).toMatchObject({
      status: 202,
      answer: { server_id: 'id-aside', url: somewhere },
    })
    expect((await send(gateway, 'DELETE', { path: '/v1/mcp/server/aside' })).status).toBe(202)
    expect((await send(gateway, 'GET', {})).answer).toEqual([])
  })
})

describe('what a stored server may say', () => {
  const refusals: readonly (readonly [field: string, over: object])[] = [
    ['token_exchange_endpoint', { auth_type: 'oauth2_token_exchange', token_exchange_endpoint: 'file:///etc/passwd' }],
    ['token_exchange_profile', { auth_type: 'oauth2_token_exchange', token_exchange_profile: 'none' }],
    ['id_jag_audience', { id_jag_audience: 'x' }],
    ['credentials.client_private_key', { credentials: { client_private_key: 'x' } }],
    ['env_vars.0.value', { env_vars: [{ name: 'A', value: 4711 }] }],
    ['static_headers', { static_headers: { 'x-a': 'os.environ/HOME' } }],
    ['credentials.auth_value', { auth_type: 'bearer_token', credentials: { auth_value: 'os.environ/TOKEN' } }],
    ['url', { url: 'os.environ/URL' }],
    ['server_name', { server_name: 'a:b' }],
    ['alias', { alias: 'x'.repeat(65) }],
  ]

  it('is nothing that would not be honoured, and the answer names the field', async () => {
    await using gateway = await boot()
    for (const [field, over] of refusals) {
      const refused = await send(gateway, 'POST', { server_name: 's', url: somewhere, ...over })
      expect([field, refused.status, fieldsOf(refused)]).toEqual([field, 422, [field]])
    }
  })

  it('may be a template of requests, and where nothing fills it in the answer says so', async () => {
    await using gateway = await boot()
    const { status, answer } = await send(gateway, 'POST', {
      server_name: 's',
      url: somewhere,
      static_headers: { 'x-user': '${X-USER-TOKEN}', 'x-other': '${TOKEN}' },
      description: 'fills ${anything}',
    })
    expect([status, answer.warnings]).toEqual([
      201,
      ['static_headers holds ${…}, which is sent as written: nothing fills it in.'],
    ])
  })
})

describe('an answer about a server', () => {
  /** `LiteLLM_MCPServerTable`. */
  const fields =
    `server_id server_name alias description url spec_path transport auth_type credentials created_at created_by
    updated_at updated_by teams mcp_access_groups allowed_tools tool_name_to_display_name tool_name_to_description extra_headers
    mcp_info static_headers status last_health_check health_check_error command args env authorization_url token_url
    registration_url allow_all_keys available_on_public_internet is_byok byok_description byok_api_key_help_url
    has_user_credential source_url approval_status submitted_by submitted_at reviewed_at review_notes`.split(/\s+/)

  it('has the same fields whoever asks and however the server is, and can be sent back', async () => {
    await using upstream = await startRawMcpServer()
    const database = await openTestDatabase()
    const aside = { id: 'aside', name: 'aside', createdBy: 'x', updatedBy: 'x', settings: { url: 7 } }
    await database.db.insert(mcpServers).values([aside])
    const config = { ...loopback, mcp_servers: { filed: { url: upstream.url } } }
    await using gateway = await boot({ config, database })
    const { answer: created } = await send(gateway, 'POST', { server_name: 's', url: upstream.url })
    const { answer: updated } = await send(gateway, 'PUT', created)
    expect(updated).not.toHaveProperty('warnings')
    const [before] = await database.db.select({ settings: mcpServers.settings }).from(mcpServers).offset(1)
    expect(before?.settings).not.toHaveProperty('args')
    expect(before?.settings).not.toHaveProperty('env')
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['s'] } })
    const forCaller = await gateway.json('/v1/mcp/server/s', { key })
    const answers = [
      created,
      updated,
      forCaller,
      await gateway.json('/v1/mcp/server/s'),
      ...(await send(gateway, 'GET', {})).answer,
    ]
    expect(answers).toHaveLength(7)
    for (const answer of answers) expect(Object.keys(answer).toSorted()).toEqual(Object.keys(created).toSorted())
    expect(Object.keys(created)).toEqual(expect.arrayContaining(fields))
    expect(forCaller).toMatchObject({
      url: null,
      command: null,
      static_headers: null,
      created_by: null,
      circuit: null,
      args: [],
    })
  })
})

describe('an import', () => {
  it('takes defaults, leaves out what is switched off, and names the field of a conflict', async () => {
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({ config: loopback })
    const { answer } = await send(gateway, 'POST', {
      path: '/v1/mcp/server/import',
      mcpServers: {
        s: { url: upstream.url, headers: { 'x-a': '${A:-default a}', 'x-b': '${env:B:-default b}', 'x-c': 'c${C:-}' } },
        off: { url: '${OPEN}', disabled: true },
      },
      values: { B: 'given b' },
    })
    expect(answer).toMatchObject({
      created: 1,
      failed: 0,
      skipped: 1,
      results: [{ status: 'created' }, { name: 'off', status: 'skipped' }],
    })
    await gateway.json('/v1/mcp/tools')
    expect(upstream.received('tools/list')[0]?.headers).toMatchObject({
      'x-a': 'default a',
      'x-b': 'given b',
      'x-c': 'c',
    })
    await send(gateway, 'POST', { server_name: 'other', alias: 'taken', url: somewhere })
    expect((await send(gateway, 'POST', { alias: 'taken', url: somewhere })).answer).toMatchObject({
      detail: { field: 'alias' },
    })
  })
})
