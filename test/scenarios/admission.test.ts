import { createHash } from 'node:crypto'
import { type Database, migrate, openDatabase } from '@toolgate/db'
import { createDatabase, describeOnPostgres, openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { completion, type LlmServer, startLlmServer } from '@toolgate/testing/llm-server'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

function offering(...names: string[]): Promise<RawMcpServer> {
  const tools = names.map((name) => ({ name, inputSchema: { type: 'object' } }))
  return startRawMcpServer((request) =>
    request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
  )
}

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')
const body = (error: object) => ({ error: { type: 'auth_error', param: null, code: '401', ...error } })

describe('the credential of a request', () => {
  const companyHeader = 'X-Company-Key'
  let gateway: Booted
  let first: string
  let second: string
  beforeAll(async () => {
    gateway = await boot({ config: { general_settings: { litellm_key_header_name: companyHeader } } })
    first = await gateway.makeKey()
    second = await gateway.makeKey()
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  /** Status, and whose the request was. */
  const admitted = async (headers: Record<string, string>) => {
    const response = await gateway.request('/key/info', { key: null, headers })
    const answer = z
      .looseObject({ key: z.string().optional(), error: z.looseObject({ message: z.string() }).optional() })
      .parse(await response.json())
    return { status: response.status, key: answer.key, message: answer.error?.message }
  }
  const headers = [
    companyHeader,
    'x-litellm-api-key',
    'x-litellm-key',
    'Authorization',
    'api-key',
    'x-api-key',
    'x-goog-api-key',
  ]

  it.each(headers)('may come in %s, with Bearer and without', async (name) => {
    expect(await admitted({ [name]: first })).toMatchObject({ status: 200, key: hashOf(first) })
    expect(await admitted({ [name]: `Bearer ${first}` })).toMatchObject({ status: 200, key: hashOf(first) })
  })

  it.each(['x-litellm-api-key', 'Authorization', 'api-key', 'x-api-key'])(
    'is read from %s before every header behind it',
    async (name) => {
      const behind = headers.slice(Math.max(headers.indexOf('Authorization'), headers.indexOf(name) + 1))
      for (const other of behind) {
        expect(await admitted({ [other]: second, [name]: first })).toMatchObject({ key: hashOf(first) })
      }
    },
  )

  it('is refused where two headers that are only the gateway’s hold different keys, whichever they are', async () => {
    const own = headers.slice(0, 3)
    for (const one of own) {
      for (const other of own.filter((name) => name !== one)) {
        const refused = await admitted({ [one]: first, [other]: second })
        expect(refused).toMatchObject({ status: 401, message: expect.stringContaining('hold different keys') })
        expect(refused.message).not.toMatch(/sk-/)
        expect(await admitted({ [one]: first, [other]: `Bearer ${first}` })).toMatchObject({ key: hashOf(first) })
      }
    }
  })

  it('is refused with LiteLLM’s envelope and words, the same at every door', async () => {
    const unknown = 'sk-nobody-ever-made-this-one'
    const cases: [Record<string, string>, object][] = [
      [{}, { message: 'Authentication Error, No api key passed in.' }],
      [{ authorization: 'Basic dTpw' }, { message: 'Authentication Error, No api key passed in.' }],
      [
        { authorization: 'Bearer eyJhbGciOi' },
        { message: expect.stringMatching(/Virtual Key expected.*start with 'sk-'/) },
      ],
      [
        { 'x-api-key': unknown },
        {
          message: `Authentication Error, Invalid proxy server token passed. Received API Key = sk-...-one, Key Hash (Token) =${hashOf(unknown)}. Unable to find token in cache or \`LiteLLM_VerificationTokenTable\``,
        },
      ],
      [{ 'x-litellm-api-key': 'sk-with\u00e9accents-in-it' }, { message: expect.stringContaining('malformed') }],
    ]
    for (const [presented, error] of cases) {
      for (const [method, path] of [
        ['GET', '/mcp-rest/tools/list'],
        ['POST', '/v1/chat/completions'],
        ['GET', '/key/list'],
        ['GET', '/v1/mcp/server'],
        ['GET', '/no/such/route'],
      ] as const) {
        const response = await gateway.request(path, { method, key: null, headers: presented })
        expect([path, response.status, await response.json()]).toEqual([path, 401, body(error)])
      }
    }
  })

  it('is never the hash of a key, nor a part of one', async () => {
    expect(await admitted({ authorization: `Bearer ${hashOf(first)}` })).toMatchObject({ status: 401 })
    expect(await admitted({ authorization: `Bearer ${first.slice(0, -1)}` })).toMatchObject({ status: 401 })
    expect(await admitted({ authorization: `Bearer ${gateway.masterKey}x` })).toMatchObject({ status: 401 })
  })

  verifies('keys:take-effect', 'stops being good the moment its key expires, is blocked or is deleted', async () => {
    const clock = fakeClock()
    await using timed = await boot({ clock })
    const short = await timed.makeKey({ duration: '30s' })
    const blocked = await timed.makeKey()
    const deleted = await timed.makeKey()
    const doors = ['/mcp-rest/tools/list', '/v1/models', '/key/info', '/v1/mcp/server', '/v1/mcp/tools']
    const everywhere = async (key: string) => {
      const responses = await Promise.all(doors.map((path) => timed.request(path, { key })))
      const answers = await Promise.all(responses.map(async (response) => [response.status, await response.text()]))
      return [...new Set(answers.map((answer) => answer.join(' ')))]
    }
    for (const key of [short, blocked, deleted]) {
      expect(await everywhere(key)).toEqual(doors.map(() => expect.stringMatching(/^200 /)))
    }
    clock.advance(29_999)
    expect((await timed.request('/v1/models', { key: short })).status).toBe(200)
    clock.advance(1)
    expect(await everywhere(short)).toEqual([
      expect.stringMatching(/^401 .*Authentication Error - Expired Key\. Key Expiry time 2026.*"type":"expired_key"/),
    ])
    await timed.json('/key/block', { body: { key: blocked } })
    expect(await everywhere(blocked)).toEqual([
      expect.stringContaining(
        '401 {"error":{"message":"Key is blocked. Update via `/key/unblock` if you\'re an admin."',
      ),
    ])
    await timed.json('/key/unblock', { body: { key: blocked } })
    expect((await timed.request('/v1/models', { key: blocked })).status).toBe(200)
    await timed.json('/key/delete', { body: { keys: [deleted] } })
    expect(await everywhere(deleted)).toEqual([expect.stringMatching(/^401 .*Invalid proxy server token passed/)])
  })
})

describe('what a caller may reach', () => {
  const universe = { one: ['a', 'b', 'c'], two: ['a', 'd'], three: ['e', 'f'] }
  const all = Object.entries(universe).flatMap(([server, tools]) => tools.map((tool) => `${server}/${tool}`))
  const configKey = 'sk-of-the-configuration-1'
  let servers: Record<keyof typeof universe, RawMcpServer>
  let llm: LlmServer
  let gateway: Booted
  beforeAll(async () => {
    servers = {
      one: await offering(...universe.one),
      two: await offering(...universe.two),
      three: await offering(...universe.three),
    }
    llm = await startLlmServer([{ json: completion({ content: 'answer' }) }])
    gateway = await boot({ config: configOf('always') })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    for (const server of [...Object.values(servers), llm]) await server[Symbol.asyncDispose]()
  })

  const configOf = (prefix: string) => ({
    general_settings: { mcp_tool_prefix: prefix },
    mcp_servers: {
      one: { url: servers.one.url, access_groups: ['dev'], allowed_params: { a: ['x'] } },
      two: { url: servers.two.url, allow_all_keys: true, disallowed_tools: ['d'] },
      three: { url: servers.three.url, api_keys: [configKey], allowed_tools: ['e'] },
    },
    virtual_keys: [{ api_key: configKey, mcp_tool_permissions: { one: ['b'] } }],
    model_list: ['gpt-one', 'gpt-two'].map((name) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: llm.origin, api_key: 'k' },
    })),
  })

  const listSchema = z.object({
    tools: z.array(
      z.looseObject({ name: z.string(), mcp_info: z.looseObject({ server_name: z.string() }).optional() }),
    ),
  })
  const listedBy = async (at: Booted, path: string, key: string) => {
    const { tools } = listSchema.parse(await at.json(path, { key }))
    return tools
      .map(({ name, mcp_info: info }) => (info === undefined ? name : `${info.server_name}/${name}`))
      .toSorted()
  }
  const serversOf = async (key: string) => {
    const response = await gateway.request('/v1/mcp/server', { key })
    const answer = z.array(z.object({ server_name: z.string() })).parse(await response.json())
    return answer.map(({ server_name: name }) => name)
  }
  /** What a model is offered where a chat request asks for everything. */
  const offeredInChat = async (key: string) => {
    const before = llm.requests.length
    const tools = [{ type: 'mcp', server_url: 'litellm_proxy', require_approval: 'never' }]
    const response = await gateway.request('/v1/chat/completions', {
      key,
      body: { model: 'gpt-one', messages: [], tools },
    })
    await response.text()
    if (response.status !== 200) return response.status >= 500 ? [`failed with ${response.status}`] : []
    const sent = z
      .object({ tools: z.array(z.object({ function: z.object({ name: z.string() }) })) })
      .parse(llm.requests[before]?.body)
    return sent.tools.map(({ function: { name } }) => name).toSorted()
  }
  /** Status and body of a refusal that no name can be told from. */
  const refusal = async (at: Booted, key: string, [path, request, names]: [string, object, readonly string[]]) => {
    const response = await at.request(path, { key, body: request })
    const text = await response.text()
    return { status: response.status, text: names.reduce((told, name) => told.replaceAll(name, '<asked>'), text) }
  }

  const kinds: [string, object | undefined, readonly string[]][] = [
    ['nothing said', undefined, ['two/a']],
    ['one server', { mcp_servers: ['one'] }, ['one/a', 'one/b', 'one/c', 'two/a']],
    ['an empty list', { mcp_servers: [] }, ['two/a']],
    ['no-mcp-servers', { mcp_servers: ['no-mcp-servers', 'one'] }, []],
    ['an access group', { mcp_access_groups: ['dev'] }, ['one/a', 'one/b', 'one/c', 'two/a']],
    ['some tools', { mcp_tool_permissions: { one: ['b'] } }, ['one/b', 'two/a']],
    ['a server and some tools', { mcp_servers: ['one'], mcp_tool_permissions: { one: ['a'] } }, ['one/a', 'two/a']],
    ['blocked tools', { mcp_servers: ['one'], blocked_tools: ['one-c', 'b'] }, ['one/a', 'two/a']],
    ['some tools of an open server', { mcp_tool_permissions: { two: ['d'] } }, []],
    ['everything', { mcp_servers: ['all-proxy-mcpservers'] }, ['one/a', 'one/b', 'one/c', 'three/e', 'two/a']],
  ]

  for (const [name, object_permission, expected] of kinds) {
    verifies('access:list-equals-call', `${name}: every door lists exactly what it lets through`, async () => {
      const key = await gateway.makeKey(object_permission === undefined ? {} : { object_permission })
      const known = await serversOf(key)
      const prefixed = expected.map((entry) => entry.replace('/', '-'))
      expect(await listedBy(gateway, '/mcp-rest/tools/list', key)).toEqual(expected)
      expect(await listedBy(gateway, '/v1/mcp/tools', key)).toEqual(prefixed)
      expect(await offeredInChat(key)).toEqual(prefixed)

      for (const entry of all) {
        const [server = '', tool = ''] = entry.split('/')
        const rest = { path: '/mcp-rest/tools/call', body: { server_id: server, name: tool } }
        const bare = { path: '/mcp/tools/call', body: { name: `${server}-${tool}` } }
        if (expected.includes(entry)) {
          expect(await gateway.json(rest.path, { key, body: rest.body })).toHaveProperty('content')
          expect(await gateway.json(bare.path, { key, body: bare.body })).toHaveProperty('content')
          continue
        }
        const serverIsKnown = known.includes(server)
        const [unknownServer, unknownTool] = [serverIsKnown ? server : 'no-such', 'none']
        expect(await refusal(gateway, key, [rest.path, rest.body, serverIsKnown ? [`: ${tool}`] : [server]])).toEqual(
          await refusal(gateway, key, [
            rest.path,
            { server_id: unknownServer, name: unknownTool },
            serverIsKnown ? [`: ${unknownTool}`] : [unknownServer],
          ]),
        )
        const unknownName = `${server}-none`
        expect(await refusal(gateway, key, [bare.path, bare.body, [bare.body.name]])).toEqual(
          await refusal(gateway, key, [bare.path, { name: unknownName }, [unknownName]]),
        )
      }
    })
  }

  it.each(['when_ambiguous', 'never'])('is listed for REST whatever prefixes public names have: %s', async (prefix) => {
    await using own = await boot({ config: configOf(prefix) })
    const key = await own.makeKey({ object_permission: { mcp_servers: ['one', 'two'] } })
    expect(await listedBy(own, '/mcp-rest/tools/list', key)).toEqual(['one/a', 'one/b', 'one/c', 'two/a'])
    for (const server of ['one', 'two']) {
      await own.json('/mcp-rest/tools/call', { key, body: { server_id: server, name: 'a' } })
    }
  })

  it('says which tools of a list could not be used, and why', async () => {
    await using odd = await startRawMcpServer((request) =>
      request.message['method'] === 'tools/list'
        ? {
            body: resultFor(request, {
              tools: [
                { name: 'good', inputSchema: { type: 'object' } },
                { name: 'bad', inputSchema: 7 },
              ],
            }),
          }
        : undefined,
    )
    await using own = await boot({ config: { mcp_servers: { odd: { url: odd.url } } } })
    for (const path of ['/mcp-rest/tools/list', '/v1/mcp/tools']) {
      expect(await own.json(path)).toMatchObject({
        tools: [{ name: expect.stringContaining('good') }],
        _meta: {
          'toolgate/withheld': [{ server: 'odd', name: 'bad', reason: expect.stringContaining('inputSchema') }],
        },
      })
    }
  })

  verifies('access:tool-grants', 'is limited to the arguments that a server names for a tool', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_tool_permissions: { one: ['a'] } } })
    const call = { server_id: 'one', name: 'a' }
    await gateway.json('/mcp-rest/tools/call', { key, body: { ...call, arguments: { x: 1 } } })
    const before = servers.one.received('tools/call').length
    const refused = await gateway.json('/mcp-rest/tools/call', {
      key,
      status: 403,
      body: { ...call, arguments: { x: 1, y: 2 } },
    })
    expect(refused).toMatchObject({
      detail: {
        error: 'parameters_not_allowed',
        message:
          "Parameters ['y'] are not allowed for tool a. Allowed parameters: ['x']. Contact proxy admin to allow these parameters.",
      },
    })
    expect(servers.one.received('tools/call')).toHaveLength(before)
  })

  verifies(
    'auth:methods-are-principals',
    'depends on who calls alone, whatever made the key and brought it',
    async () => {
      // The entry's own grant, the open server, and the server that lists this key in `api_keys`.
      const expected = ['one/b', 'three/e', 'two/a']
      const fromApi = await gateway.makeKey({
        object_permission: { mcp_servers: ['three'], mcp_tool_permissions: { one: ['b'] } },
      })
      for (const key of [configKey, fromApi]) {
        for (const header of ['x-litellm-api-key', 'x-litellm-key', 'authorization', 'api-key', 'x-api-key']) {
          const headers = { [header]: header === 'authorization' ? `Bearer ${key}` : key }
          const answer = await gateway.json('/mcp-rest/tools/list', { key: null, headers })
          const { tools } = listSchema.parse(answer)
          expect(tools.map(({ name, mcp_info: info }) => `${info?.server_name}/${name}`).toSorted()).toEqual(expected)
        }
      }
    },
  )

  it('is everything for keys without a grant where the operator says so, and nothing more than that', async () => {
    const general_settings = { mcp_default_access: 'all' }
    await using own = await boot({ config: { ...configOf('always'), general_settings } })
    expect(await listedBy(own, '/v1/mcp/tools', await own.makeKey())).toHaveLength(5)
    const limited = await own.makeKey({ object_permission: { mcp_servers: ['one'] } })
    expect(await listedBy(own, '/v1/mcp/tools', limited)).toHaveLength(4)
  })

  it('is the models that the key lists, and every model where it lists none', async () => {
    const modelsOf = async (models: readonly string[]) => {
      const key = await gateway.makeKey({ models })
      const { data } = z
        .object({ data: z.array(z.object({ id: z.string() })) })
        .parse(await gateway.json('/v1/models', { key }))
      const { status: found } = await gateway.request('/v1/models/gpt-two', { key })
      const response = await gateway.request('/v1/chat/completions', { key, body: { model: 'gpt-two', messages: [] } })
      return { listed: data.map(({ id }) => id), found, status: response.status, answer: await response.json() }
    }
    expect(await modelsOf([])).toMatchObject({ listed: ['gpt-one', 'gpt-two'], found: 200, status: 200 })
    expect(await modelsOf(['gpt-two'])).toMatchObject({ listed: ['gpt-two'], found: 200, status: 200 })
    expect(await modelsOf(['gpt-one'])).toEqual({
      listed: ['gpt-one'],
      found: 404,
      status: 403,
      answer: {
        error: {
          message:
            "key not allowed to access model. This key can only access models=['gpt-one']. Tried to access gpt-two",
          type: 'key_model_access_denied',
          param: null,
          code: '403',
        },
      },
    })
    expect(await modelsOf(['no-default-models'])).toMatchObject({ listed: [], status: 403 })
  })
})

describe('an outage of the key store', () => {
  /** Uses two keys, takes the store away, looks, and brings it back where that can be done. */
  const survives = async (database: Database, outage: { begin(): Promise<unknown>; end?(): Promise<unknown> }) => {
    await using server = await offering('echo')
    const config = { mcp_servers: { one: { url: server.url, allow_all_keys: true } } }
    await using gateway = await boot({ config, database })
    const announced: string[] = []
    await database.listen('virtual_keys', { changed: (hash) => announced.push(hash) })
    const known = await gateway.makeKey()
    const unseen = await gateway.makeKey()
    // Until the gateway heard of a new key, what it reads of it is not kept.
    await vi.waitFor(() => expect(announced).toEqual([hashOf(known), hashOf(unseen)]))
    // Where the store stays away, the ledger would hold up the end: no rows there.
    const call = (key: string) =>
      outage.end === undefined
        ? gateway.request('/v1/mcp/server', { key })
        : gateway.request('/mcp-rest/tools/call', { key, body: { server_id: 'one', name: 'echo' } })
    // Twice: a poll that finds the new key drops what is being read of it.
    for (let time = 0; time < 2; time += 1) expect((await call(known)).status).toBe(200)

    await outage.begin()
    for (const key of [unseen, 'sk-nobody-ever-made-this-one']) {
      const refused = await call(key)
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
      expect(await refused.json()).toMatchObject({ detail: { error: 'store_unavailable' } })
      expect((await gateway.request('/v1/models', { key })).status).toBe(503)
    }
    expect((await call(known)).status).toBe(200)
    expect((await call(gateway.masterKey)).status).toBe(200)
    for (const path of ['/key/list', `/key/info?key=${known}`]) expect((await gateway.request(path)).status).toBe(503)
    for (const path of ['/key/generate', '/key/block']) {
      expect((await gateway.request(path, { body: path === '/key/block' ? { key: known } : {} })).status).toBe(503)
    }
    expect((await gateway.request('/health/readiness', { key: null })).status).toBe(503)
    expect((await gateway.request('/health/liveliness', { key: null })).status).toBe(200)
    if (outage.end === undefined) return
    await outage.end()
    await vi.waitFor(async () => expect((await call(unseen)).status).toBe(200), { timeout: 5_000, interval: 50 })
    expect((await call('sk-nobody-ever-made-this-one')).status).toBe(401)
  }

  verifies('keys:store-outage', 'embedded: is 503 for unknown keys, never 401, and known keys go on', async () => {
    const database = await openTestDatabase()
    let closed: Promise<void> | undefined
    const close = () => (closed ??= database.close())
    await survives({ ...database, close }, { begin: close })
  })

  describeOnPostgres('on Postgres', (server) => {
    verifies('keys:store-outage', 'is 503 for unknown keys, never 401; known keys go on, and it heals', async () => {
      const url = await createDatabase(await server())
      const name = new URL(url.reveal()).pathname.slice(1)
      const database = await openDatabase({ url })
      await migrate(database)
      const administration = await openDatabase({ url: (await server()).url('postgres') })
      try {
        await survives(database, {
          async begin() {
            await administration.db.execute(`alter database ${name} with allow_connections false`)
            await administration.db.execute(
              `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
            )
          },
          end: () => administration.db.execute(`alter database ${name} with allow_connections true`),
        })
      } finally {
        await administration.close()
      }
    })
  })
})
