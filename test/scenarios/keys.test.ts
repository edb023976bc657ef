import { createHash } from 'node:crypto'
import { calls, type Database, managementEvents, migrate, openDatabase, virtualKeys } from '@toolgate/db'
import { createDatabase, describeOnPostgres, describeOnStores } from '@toolgate/testing/database'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')

/** The same store for several gateways: each closes what it was given. */
const keptOpen = (database: Database): Database => ({ ...database, close: async () => {} })

describe('the key API', () => {
  let gateway: Booted
  beforeAll(async () => {
    gateway = await boot()
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const post = (path: string, body: object) => gateway.json(path, { body })
  const refused = async (path: string, options: Parameters<Booted['request']>[1]) => {
    const response = await gateway.request(path, options)
    const text = await response.text()
    const answer: unknown = JSON.parse(text)
    return { status: response.status, text, answer }
  }

  verifies('keys:life', 'makes a key in LiteLLM’s shape and answers it once', async () => {
    const request = {
      key_alias: 'ci of the team',
      duration: '30d',
      models: ['gpt-4o'],
      user_id: 'u-1',
      team_id: 't-1',
      max_budget: 10,
      metadata: { cost_centre: 7 },
      tags: ['nightly'],
      object_permission: { mcp_servers: ['github'], mcp_tool_permissions: { wiki: ['read'] } },
    }
    const made = z
      .looseObject({ key: z.string(), token: z.string(), expires: z.string() })
      .parse(await gateway.json('/key/generate', { body: request, headers: { 'litellm-changed-by': 'alice' } }))
    const { key, token, expires } = made
    expect(key).toMatch(/^sk-[\w-]{22}$/)
    expect(made).toMatchObject({
      ...request,
      token: hashOf(key),
      token_id: hashOf(key),
      key_name: `sk-...${key.slice(-4)}`,
      key_type: 'default',
      spend: 0,
      blocked: false,
      organization_id: null,
      project_id: null,
      litellm_budget_table: null,
      created_by: 'alice',
      updated_by: 'alice',
      metadata: { cost_centre: 7, tags: ['nightly'] },
      object_permission: { ...request.object_permission, blocked_tools: [], agents: [] },
    })
    expect(Date.parse(expires) - Date.now()).toBeGreaterThan(29.9 * 86_400_000)

    const info = await gateway.json(`/key/info?key=${token}`)
    expect(info).toEqual({
      key: token,
      info: expect.objectContaining({ token, key_alias: request.key_alias, expires }),
    })
    const listed = await gateway.json('/key/list?return_full_object=true&size=100')
    for (const text of [
      JSON.stringify(info),
      JSON.stringify(listed),
      JSON.stringify(await post('/key/block', { key })),
    ]) {
      expect(text).toContain(token)
      expect(text).not.toContain(key)
    }
  })

  verifies('keys:life', 'tells a key about itself, an administrator about all, and a key about no other', async () => {
    const one = await gateway.makeKey({ key_alias: 'one' })
    const other = await gateway.makeKey({ key_alias: 'other' })
    for (const query of ['', `?key=${one}`, `?key=${hashOf(one)}`]) {
      expect(await gateway.json(`/key/info${query}`, { key: one })).toMatchObject({
        key: hashOf(one),
        info: { key_alias: 'one' },
      })
    }
    for (const query of [one, hashOf(one)]) {
      expect(await gateway.json(`/key/info?key=${query}`)).toMatchObject({ info: { key_alias: 'one' } })
    }
    // Another's key, an unknown one and the master key read alike to a key that may not ask.
    const answers = []
    for (const asked of [other, hashOf(other), 'sk-no-such-key-anywhere', gateway.masterKey]) {
      answers.push(await refused(`/key/info?key=${asked}`, { key: one }))
    }
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 403, answer: { error: { type: 'auth_error', code: '403' } } })

    const unknown = await refused('/key/info?key=sk-no-such-key-anywhere', {})
    expect(unknown).toMatchObject({
      status: 404,
      answer: { error: { type: 'not_found_error', param: 'key', code: '404' } },
    })
    expect(unknown.text).not.toContain('sk-no-such')
    expect(await refused('/key/info', {})).toMatchObject({ status: 400, answer: { error: { param: 'key' } } })
  })

  verifies('keys:life', 'lists keys in pages that together hold each of them once', async () => {
    await using own = await boot()
    const keys: string[] = []
    for (let number = 0; number < 5; number += 1) {
      keys.push(await own.makeKey({ user_id: number % 2 === 0 ? 'even' : 'odd', key_alias: `k${number}` }))
    }
    const page = z.object({
      keys: z.array(z.string()),
      total_count: z.number(),
      current_page: z.number(),
      total_pages: z.number(),
    })
    const list = async (query: string) => page.parse(await own.json(`/key/list${query}`))
    expect(await list('')).toEqual({
      keys: keys.map(hashOf).toReversed(),
      total_count: 5,
      current_page: 1,
      total_pages: 1,
    })
    const pages = await Promise.all([1, 2, 3, 4].map((number) => list(`?size=2&sort_order=asc&page=${number}`)))
    expect(pages.map(({ keys: hashes }) => hashes.length)).toEqual([2, 2, 1, 0])
    expect(pages.flatMap(({ keys: hashes }) => hashes)).toEqual(keys.map(hashOf))
    expect(pages[3]).toMatchObject({ total_count: 5, current_page: 4, total_pages: 3 })
    expect((await list('?user_id=odd&sort_by=key_alias&sort_order=asc')).keys).toEqual(
      [keys[1], keys[3]].map((key) => hashOf(key ?? '')),
    )
    expect((await list(`?key_hash=${hashOf(keys[4] ?? '')}`)).total_count).toBe(1)
    expect((await list('?key_alias=k2')).keys).toEqual([hashOf(keys[2] ?? '')])
    expect(await own.json('/key/list?return_full_object=true&size=1')).toMatchObject({
      keys: [{ key_alias: 'k4', token: hashOf(keys[4] ?? '') }],
    })
    expect(await own.json('/key/list?page=0', { status: 422 })).toEqual({
      detail: [{ loc: ['query', 'page'], msg: expect.any(String), type: expect.any(String) }],
    })
  })

  verifies(
    'keys:life',
    'blocks, unblocks and deletes by key, hash or alias, and says what it did not find',
    async () => {
      const key = await gateway.makeKey({ key_alias: 'to-go' })
      const second = await gateway.makeKey()
      expect(await post('/key/block', { key: hashOf(key) })).toMatchObject({ token: hashOf(key), blocked: true })
      expect((await gateway.request('/v1/models', { key })).status).toBe(401)
      expect(await post('/key/unblock', { key })).toMatchObject({ token: hashOf(key), blocked: false })
      expect((await gateway.request('/v1/models', { key })).status).toBe(200)

      // All or none: one that is not there keeps the others.
      expect(await refused('/key/delete', { body: { keys: [second, 'sk-no-such-key-anywhere'] } })).toMatchObject({
        status: 404,
        answer: { error: { type: 'not_found_error' } },
      })
      expect((await gateway.request('/v1/models', { key: second })).status).toBe(200)
      expect(await post('/key/delete', { keys: [second], key_aliases: ['to-go'] })).toEqual({
        deleted_keys: [hashOf(second), 'to-go'],
      })
      for (const gone of [key, second]) expect((await gateway.request('/v1/models', { key: gone })).status).toBe(401)
      for (const path of ['/key/block', '/key/unblock']) {
        expect((await gateway.request(path, { body: { key } })).status).toBe(404)
      }
    },
  )

  it('refuses a key on routes that it is not for, with LiteLLM’s text', async () => {
    const model = await gateway.makeKey({ key_type: 'llm_api' })
    const reader = await gateway.makeKey({ allowed_routes: ['info_routes', '/v1/mcp/*'] })
    const statuses = async (key: string) =>
      Promise.all(
        ['/v1/models', '/mcp-rest/tools/list', '/v1/mcp/server', '/key/info'].map(
          async (path) => (await gateway.request(path, { key })).status,
        ),
      )
    expect(await statuses(model)).toEqual([200, 200, 403, 403])
    expect(await statuses(reader)).toEqual([200, 403, 200, 200])
    for (const path of ['/key/info', '/v1/mcp/server']) {
      expect(await refused(path, { key: model })).toMatchObject({
        status: 403,
        answer: {
          error: {
            message: `Virtual key is not allowed to call this route. Only allowed to call routes: ['llm_api_routes']. Tried to call route: ${path}`,
            type: 'auth_error',
            code: '403',
          },
        },
      })
    }
  })

  it('asks no model for a key that may only look, however the path is written', async () => {
    const key = await gateway.makeKey({ allowed_routes: ['info_routes'] })
    for (const target of ['gpt:generateContent', 'gpt%3AcountTokens', 'gpt%3agenerate%43ontent', 'a%0a:countTokens']) {
      const { status } = await gateway.request(`/v1/models/${target}`, { key, body: { contents: [] } })
      expect([target, status]).toEqual([target, 403])
    }
  })

  it('tells who asks for a limit that nothing enforces yet, in the answer and in the log', async () => {
    const log = recordingLog()
    await using own = await boot({ log })
    const warning = 'soft_budget is stored and not enforced by this version'
    expect(await own.json('/key/generate', { body: { soft_budget: 5 } })).toMatchObject({ warnings: [warning] })
    expect(log.lines.filter((line) => line.includes(warning))).toHaveLength(1)
  })

  it('refuses to list by a filter that it would ignore', async () => {
    expect(await refused('/key/list?organisation_id=o-1', {})).toMatchObject({
      status: 422,
      answer: { detail: [{ loc: ['query', 'organisation_id'] }] },
    })
  })

  it('records no author that is long or forges a line', async () => {
    for (const author of ['a'.repeat(257), 'caf\u00e9', 'a\tb']) {
      const headers = { 'litellm-changed-by': author }
      expect(await refused('/key/generate', { body: {}, headers })).toMatchObject({ status: 400 })
    }
    const headers = { 'litellm-changed-by': 'a'.repeat(256) }
    expect(await gateway.json('/key/generate', { body: {}, headers })).toMatchObject({ created_by: 'a'.repeat(256) })
  })

  it('answers what fails its schema with 422 and a list, what conflicts with 400, and repeats no key', async () => {
    const bad: [string, object, readonly string[]][] = [
      ['/key/generate', { models: 'gpt-4o' }, ['body', 'models']],
      ['/key/generate', { object_permission: { mcp_servers: [7] } }, ['body', 'object_permission', 'mcp_servers', '0']],
      ['/key/generate', { object_permision: {} }, ['body', 'object_permision']],
      ['/key/generate', { object_permission: { mcp_server: [] } }, ['body', 'object_permission', 'mcp_server']],
      ['/key/block', {}, ['body', 'key']],
      ['/key/delete', { keys: 'sk-one-key-that-is-no-list' }, ['body', 'keys']],
    ]
    for (const [path, body, loc] of bad) {
      const answer = await refused(path, { body })
      expect([path, answer.status, answer.answer]).toEqual([
        path,
        422,
        { detail: [{ loc, msg: expect.any(String), type: expect.any(String) }] },
      ])
      expect(answer.text).not.toContain('sk-')
    }
    for (const body of ['', '[]', 'nothing']) {
      expect((await refused('/key/generate', { method: 'POST', body })).status).toBe(400)
    }
    expect(await refused('/key/generate', { body: { duration: 'soon' } })).toMatchObject({
      status: 400,
      answer: { error: { type: 'invalid_request_error', param: 'duration', code: '400' } },
    })
    expect(await refused('/key/generate', { body: { key: 'sk-short' } })).toMatchObject({ status: 400 })

    const key = 'sk-chosen-by-the-caller'
    expect(await post('/key/generate', { key, key_alias: 'chosen' })).toMatchObject({ key, token: hashOf(key) })
    for (const body of [{ key }, { key_alias: 'chosen' }]) {
      const conflict = await refused('/key/generate', { body })
      expect(conflict).toMatchObject({ status: 400, answer: { error: { type: 'bad_request_error' } } })
      expect(conflict.text).not.toContain(key)
    }
  })
})

describeOnPostgres('a key on two gateways with one store', (server) => {
  let stores: Database[]
  let here: Booted
  let there: Booted
  beforeAll(async () => {
    const url = await createDatabase(await server())
    stores = [await openDatabase({ url }), await openDatabase({ url })]
    const [first, second] = stores
    if (first === undefined) throw new Error('no store')
    await migrate(first)
    here = await boot({ database: first })
    there = await boot({ ...(second !== undefined && { database: second }) })
  })
  afterAll(async () => {
    await here[Symbol.asyncDispose]()
    await there[Symbol.asyncDispose]()
  })

  const status = async (gateway: Booted, key: string) => (await gateway.request('/v1/models', { key })).status
  /** Within the two seconds that are promised. */
  const soon = (gateway: Booted, key: string, expected: number) =>
    vi.waitFor(async () => expect(await status(gateway, key)).toBe(expected), { timeout: 2_000, interval: 20 })

  verifies('keys:take-effect', 'works, is blocked, works again and is gone on both within two seconds', async () => {
    const key = 'sk-known-before-it-is-made'
    // Both have learnt that there is no such key.
    for (const gateway of [here, there]) expect(await status(gateway, key)).toBe(401)
    await here.makeKey({ key })
    expect(await status(here, key)).toBe(200)
    await soon(there, key, 200)

    await here.json('/key/block', { body: { key } })
    expect(await status(here, key)).toBe(401)
    await soon(there, key, 401)
    await there.json('/key/unblock', { body: { key } })
    expect(await status(there, key)).toBe(200)
    await soon(here, key, 200)
    await there.json('/key/delete', { body: { keys: [key] } })
    expect(await status(there, key)).toBe(401)
    await soon(here, key, 401)
  })
})

describeOnStores('keys of the configuration', (openStore) => {
  const key = 'sk-of-the-configuration-1'
  const config = (entry: object) => ({ virtual_keys: [{ api_key: key, ...entry }] })

  verifies('keys:config-upsert', 'follow the file from start to start; a block by an administrator stays', async () => {
    const { database } = await openStore()
    const started = (given: object) => boot({ config: given, database: keptOpen(database) })
    const infoBy = async (gateway: Booted) =>
      z.looseObject({ info: z.looseObject({}) }).parse(await gateway.json(`/key/info?key=${key}`)).info
    {
      await using gateway = await started(config({ alias: 'first', models: ['a'] }))
      expect(await infoBy(gateway)).toMatchObject({ key_alias: 'first', models: ['a'], blocked: false })
      expect((await gateway.request('/v1/models', { key })).status).toBe(200)
      await gateway.json('/key/block', { body: { key } })
    }
    {
      await using gateway = await started(config({ alias: 'second' }))
      expect(await infoBy(gateway)).toMatchObject({ key_alias: 'second', models: [], blocked: true })
      expect((await gateway.request('/v1/models', { key })).status).toBe(401)
      await gateway.json('/key/unblock', { body: { key } })
    }
    {
      await using gateway = await started({})
      expect(await infoBy(gateway)).toMatchObject({ blocked: true, blocked_reason: 'removed_from_config' })
      expect((await gateway.request('/v1/models', { key })).status).toBe(401)
      // Not a switch that an administrator has: the file says it.
      await gateway.json('/key/unblock', { body: { key }, status: 400 })
    }
    await using gateway = await started(config({ alias: 'third' }))
    expect(await infoBy(gateway)).toMatchObject({ key_alias: 'third', blocked: false })
    expect((await gateway.request('/v1/models', { key })).status).toBe(200)
  })
})

describeOnStores('a whole gateway', (openStore) => {
  verifies('storage:both-stores', 'keeps keys without the keys themselves, and a row of every call', async () => {
    const { database } = await openStore()
    const log = recordingLog()
    await using server = await startRawMcpServer()
    const made: string[] = []
    {
      const config = { mcp_servers: { one: { url: server.url } } }
      await using gateway = await boot({ config, database: keptOpen(database), log })
      const key = await gateway.makeKey({
        key_alias: 'caller',
        user_id: 'u-1',
        object_permission: { mcp_servers: ['one'] },
      })
      made.push(key, await gateway.makeKey())
      const call = { server_id: 'one', name: 'echo', arguments: { private: 'argument-text' } }
      await gateway.json('/mcp-rest/tools/call', { key, body: call, headers: { 'x-request-id': 'request-1' } })
      await gateway.json('/mcp-rest/tools/call', { key, body: { ...call, name: 'none' }, status: 403 })
      await gateway.json('/mcp-rest/tools/list', { key })
      await gateway.json('/key/block', { body: { key: made[1] } })
    }
    const rows = await database.db.select().from(calls).orderBy(calls.startedAt)
    const caller = {
      keyHash: hashOf(made[0] ?? ''),
      keyAlias: 'caller',
      principalId: 'u-1',
      userId: 'u-1',
      door: 'mcp-rest',
    }
    expect(rows).toMatchObject([
      {
        ...caller,
        kind: 'tool_call',
        requestId: 'request-1',
        serverName: 'one',
        publicName: 'echo',
        targetName: 'echo',
        credentialType: 'none',
        outcome: 'ok',
      },
      { ...caller, kind: 'tool_call', publicName: 'none', targetName: null, outcome: 'TARGET_NOT_FOUND' },
      { ...caller, kind: 'list', method: 'tools/list', outcome: 'ok' },
    ])
    expect(rows.every(({ durationMs }) => durationMs >= 0)).toBe(true)
    const events = await database.db.select().from(managementEvents).orderBy(managementEvents.at)
    expect(events.map(({ action, actor }) => `${actor} ${action}`)).toEqual([
      'default_user_id key.generate',
      'default_user_id key.generate',
      'default_user_id key.block',
    ])
    const kept = JSON.stringify([rows, events, await database.db.select().from(virtualKeys), log.lines])
    for (const secret of [...made, 'argument-text']) expect(kept).not.toContain(secret)

    await using again = await boot({ database: keptOpen(database) })
    expect(await again.json('/key/info', { key: made[0] ?? '' })).toMatchObject({ info: { key_alias: 'caller' } })
    expect((await again.request('/key/info', { key: made[1] ?? '' })).status).toBe(401)
  })
})
