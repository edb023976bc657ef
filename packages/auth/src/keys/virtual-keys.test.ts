import { Secret, silentLogger } from '@toolgate/core'
import { type Database, managementEvents } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { eq } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { hashKey, keyHashOf } from './key-format.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys, type VirtualKeys } from './virtual-keys.ts'

describeOnStores('virtual keys', (openStore) => {
  const clock = fakeClock(Date.UTC(2026, 0, 1))
  let database: Database
  let keys: VirtualKeys
  beforeAll(async () => {
    database = (await openStore()).database
    keys = createVirtualKeys({ store: createPostgresKeyStore(database), log: silentLogger, clock })
  })

  const generate = (body: object = {}) => keys.generate(body, 'admin')
  const eventsOf = async (hash: string) => {
    const events = await database.db.select().from(managementEvents).where(eq(managementEvents.objectId, hash))
    return events.map(({ action, actor }) => `${actor} ${action}`).toSorted()
  }

  describe('generate', () => {
    it('answers the key once, as a secret, with its hash and its end', async () => {
      const answer = await generate({ key_alias: 'ci', duration: '30d', models: ['small'], metadata: { a: 1 } })
      expect(answer.key).toBeInstanceOf(Secret)
      expect(answer).toMatchObject({
        token: hashKey(answer.key),
        token_id: hashKey(answer.key),
        key_name: `sk-...${answer.key.reveal().slice(-4)}`,
        key_alias: 'ci',
        duration: '30d',
        expires: '2026-01-31T00:00:00.000Z',
        models: ['small'],
        metadata: { a: 1 },
        created_by: 'admin',
        blocked: false,
        spend: 0,
      })
      const elsewhere = [await keys.info(answer.token), await keys.list({ return_full_object: 'true', size: '100' })]
      expect(JSON.stringify([answer, ...elsewhere])).not.toContain(answer.key.reveal())
      expect(await eventsOf(answer.token)).toEqual(['admin key.generate'])
    })

    it('keeps every field of the request, and those of metadata where LiteLLM keeps them', async () => {
      const columns = {
        user_id: 'ada',
        team_id: 'engines',
        organization_id: 'o',
        project_id: 'p',
        agent_id: 'a',
        max_budget: 10.5,
        soft_budget: 5,
        budget_id: 'b',
        budget_duration: '1mo',
        budget_limits: [{ budget_duration: '1d', max_budget: 1 }],
        budget_fallbacks: { big: ['small'] },
        model_max_budget: { big: { budget_limit: 1 } },
        max_parallel_requests: 3,
        tpm_limit: 5_000_000_000,
        rpm_limit: 60,
        aliases: { fast: 'small' },
        config: { c: 1 },
        permissions: { p: true },
        allowed_cache_controls: ['no-store'],
        access_group_ids: ['g'],
        router_settings: { r: 1 },
        auto_rotate: true,
        rotation_interval: '30d',
        auto_tools: true,
        spend: 1.25,
      }
      const inMetadata = { mcp_rpm_limit: { git: 5 }, tags: ['t'], guardrails: ['g'], rpm_limit_type: 'dynamic' }
      const permission = { mcp_servers: ['git'], mcp_tool_permissions: { git: ['log'] }, mcp_future: [1] }
      const answer = await generate({ ...columns, ...inMetadata, metadata: { own: 1 }, object_permission: permission })
      const { info } = await keys.info(answer.token)
      expect(info).toMatchObject({
        ...columns,
        metadata: { own: 1, ...inMetadata },
        object_permission: { ...permission, blocked_tools: [], object_permission_id: info.object_permission_id },
        budget_reset_at: '2026-02-01T00:00:00.000Z',
      })
      expect(info.object_permission_id).toEqual(expect.any(String))
    })

    it('says which restrictions are stored and not enforced, of those that say something', async () => {
      const answer = await generate({
        max_budget: 0,
        rpm_limit: 60,
        budget_id: 'b',
        models: ['small'],
        allowed_routes: ['llm_api_routes'],
        tags: [],
        config: {},
        soft_budget: 0,
        auto_rotate: false,
        object_permission: { mcp_servers: ['git'], models: ['small'], agents: [] },
      })
      expect(answer.warnings).toEqual([
        'soft_budget is stored and not enforced by this version',
        'budget_id is stored and not enforced by this version',
        'object_permission.models is stored and not enforced by this version',
      ])
      expect((await generate({ models: ['small'] })).warnings).toEqual([])
    })

    it('derives the routes of a key from its type, unless routes are given', async () => {
      await expect(generate({ key_type: 'llm_api' })).resolves.toMatchObject({ allowed_routes: ['llm_api_routes'] })
      await expect(generate({ key_type: 'llm_api', allowed_routes: ['/mcp'] })).resolves.toMatchObject({
        allowed_routes: ['/mcp'],
      })
    })

    it.each([
      [{ model: ['small'] }, 'model', 'models'],
      [{ durations: '1d' }, 'durations', 'duration'],
      [{ object_permission: { mcp_server: [] } }, 'object_permission.mcp_server', 'mcp_servers'],
    ])('refuses a field that was probably misspelt, naming the known one: %j', async (body, field, nearest) => {
      await expect(generate(body)).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: `${field}: Unknown field. Did you mean "${nearest}"?`,
        details: { field, issues: [{ loc: ['body', ...field.split('.')] }] },
      })
    })

    it('accepts other fields that it does not know, and says that nothing acts on them', async () => {
      const later = { something_of_a_later_version: 1, object_permission: { something_else: ['a'] } }
      await expect(generate(later)).resolves.toMatchObject({
        spend: 0,
        warnings: [
          'something_of_a_later_version is not known here: nothing acts on it',
          'object_permission.something_else is not known here: nothing acts on it',
        ],
      })
    })

    it.each([
      [{ models: 'small' }, 'models'],
      [{ duration: 'soon' }, 'duration'],
      [{ budget_duration: '0d' }, 'budget_duration'],
      [{ max_budget: -1 }, 'max_budget'],
      [{ key: 'sk-short' }, 'key'],
      [{ object_permission: { mcp_servers: [1] } }, 'object_permission.mcp_servers.0'],
      [{ metadata: { text: 'a\u0000b' } }, ''],
      [{ key_alias: 'half \ud800' }, ''],
      ['text', ''],
    ])('refuses what it cannot mean: %j', async (body, field) => {
      await expect(keys.generate(body, 'admin')).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } })
    })

    it('keeps a text that only looks like an escape', async () => {
      const metadata = { path: String.raw`\u0000` }
      await expect(generate({ metadata })).resolves.toMatchObject({ metadata })
    })

    it('refuses a key or an alias that exists, and says which', async () => {
      const key = 'sk-of-my-own-0123456789'
      await generate({ key, key_alias: 'taken' })
      await expect(generate({ key })).rejects.toMatchObject({ code: 'CONFLICT', details: { field: 'key' } })
      await expect(generate({ key_alias: 'taken' })).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { field: 'key_alias' },
      })
    })

    it('makes one key of two requests for the same alias at once', async () => {
      const both = await Promise.allSettled([generate({ key_alias: 'race' }), generate({ key_alias: 'race' })])
      expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
      expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'CONFLICT' } })
      await expect(keys.list({ key_alias: 'race' })).resolves.toMatchObject({ total_count: 1 })
    })
  })

  describe('info', () => {
    it('finds a key by itself and by its hash, and answers the hash', async () => {
      const { key, token } = await generate()
      await expect(keys.info(key.reveal())).resolves.toMatchObject({ key: token, info: { token } })
      await expect(keys.info(token)).resolves.toMatchObject({ key: token, info: { token } })
    })

    it('of a key that is not there names it masked', async () => {
      await expect(keys.info('sk-not-there-0123456789')).rejects.toMatchObject({
        code: 'KEY_NOT_FOUND',
        message: expect.stringContaining('sk-...6789'),
      })
    })
  })

  describe('list', () => {
    it('pages through the keys of a user in a stable order, newest first', async () => {
      const made: string[] = []
      for (let index = 0; index < 5; index += 1) made.push((await generate({ user_id: 'lister' })).token)
      const page = (number: number) => keys.list({ user_id: 'lister', page: String(number), size: '2' })
      const pages = [await page(1), await page(2), await page(3)]
      expect(new Set(pages.flatMap(({ keys }) => keys))).toEqual(new Set(made))
      expect(pages.map(({ keys }) => keys.length)).toEqual([2, 2, 1])
      expect(pages[1]).toMatchObject({ total_count: 5, current_page: 2, total_pages: 3 })
    })

    it('filters by team, alias, key and hash, and shows objects when asked', async () => {
      const { key, token } = await generate({ team_id: 'list-team', key_alias: 'list-alias' })
      for (const filter of [
        { team_id: 'list-team' },
        { key_alias: 'list-alias' },
        { key_hash: token },
        { key_hash: key.reveal() },
      ]) {
        await expect(keys.list({ ...filter, user_id: '' })).resolves.toMatchObject({ keys: [token], total_count: 1 })
      }
      await expect(keys.list({ key_hash: token, return_full_object: 'true' })).resolves.toMatchObject({
        keys: [{ token, team_id: 'list-team' }],
      })
      await expect(keys.list({ team_id: 'nobody' })).resolves.toMatchObject({ keys: [], total_pages: 0 })
    })

    it.each([{ teamid: 't' }, { userid: 'u-1' }, { access_group_id: 'g', status: 'deleted' }])(
      'refuses a filter that it would ignore: %j',
      async (query) => {
        const [field] = Object.keys(query)
        const details = { field, issues: [{ loc: ['query', field] }] }
        await expect(keys.list(query)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details })
      },
    )

    it('lets a filter pass that filters nothing, and what only widens or adds', async () => {
      await generate({ team_id: 'list-wide' })
      const query = {
        organization_id: '',
        substring_matching: 'false',
        include_team_keys: 'true',
        expand: 'user',
        _: '1',
      }
      await expect(keys.list({ ...query, team_id: 'list-wide' })).resolves.toMatchObject({ total_count: 1 })
    })

    it('sorts as asked', async () => {
      for (const key_alias of ['sort-b', 'sort-a', 'sort-c']) await generate({ key_alias, team_id: 'sorted' })
      const query = { team_id: 'sorted', sort_by: 'key_alias', sort_order: 'asc', return_full_object: 'true' }
      await expect(keys.list(query)).resolves.toMatchObject({
        keys: [{ key_alias: 'sort-a' }, { key_alias: 'sort-b' }, { key_alias: 'sort-c' }],
      })
    })

    it.each([{ page: '0' }, { size: '101' }, { sort_by: 'token; drop table virtual_keys' }, { sort_order: 'up' }])(
      'refuses a query that makes no sense: %j',
      async (query) => {
        const [field] = Object.keys(query)
        await expect(keys.list(query)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } })
      },
    )

    it('accepts the parameters it has no answer to yet', async () => {
      await expect(keys.list({ include_team_keys: 'true', expand: 'user' })).resolves.toMatchObject({ current_page: 1 })
    })
  })

  describe('delete', () => {
    it('removes by key, hash and alias, and leaves the event', async () => {
      const [byKey, byHash] = [await generate(), await generate()]
      const byAlias = await generate({ key_alias: 'to-delete' })
      const body = { keys: [byKey.key.reveal(), byHash.token], key_aliases: ['to-delete'] }
      await expect(keys.delete(body, 'ada')).resolves.toEqual({
        deleted_keys: [byKey.token, byHash.token, 'to-delete'],
      })
      for (const { token } of [byKey, byHash, byAlias]) {
        await expect(keys.info(token)).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
        expect(await eventsOf(token)).toEqual(['ada key.delete', 'admin key.generate'])
      }
    })

    it('removes all or none', async () => {
      const { token } = await generate()
      const missing = keyHashOf('sk-not-there-0123456789')
      await expect(keys.delete({ keys: [token, missing] }, 'ada')).rejects.toMatchObject({
        code: 'KEY_NOT_FOUND',
        details: { missing: [missing] },
      })
      await expect(keys.info(token)).resolves.toMatchObject({ key: token })
      expect(await eventsOf(token)).toEqual(['admin key.generate'])
    })

    it.each([{}, { keys: [], key_aliases: [] }, { keys: 'sk-1' }])(
      'refuses to guess what is meant: %j',
      async (body) => {
        await expect(keys.delete(body, 'ada')).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
      },
    )
  })

  it('block and unblock answer the row, and say who did it', async () => {
    const { key, token } = await generate()
    await expect(keys.block({ key: key.reveal() }, 'ada')).resolves.toMatchObject({ token, blocked: true })
    await expect(keys.info(token)).resolves.toMatchObject({ info: { blocked: true, updated_by: 'ada' } })
    await expect(keys.unblock({ key: token }, 'bob')).resolves.toMatchObject({ blocked: false, updated_by: 'bob' })
    expect(await eventsOf(token)).toEqual(['ada key.block', 'admin key.generate', 'bob key.unblock'])
    await expect(keys.block({ key: 'sk-not-there-0123456789' }, 'ada')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
  })
})
