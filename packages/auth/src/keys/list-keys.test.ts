import { silentLogger } from '@toolgate/core'
import { calls, type Database } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { beforeAll, describe, expect, it } from 'vitest'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys, type VirtualKeys } from './virtual-keys.ts'

describeOnStores('lists of keys', (openStore) => {
  const clock = fakeClock()
  let database: Database
  let keys: VirtualKeys
  const made: Record<string, string> = {}
  beforeAll(async () => {
    database = (await openStore()).database
    keys = createVirtualKeys({ store: createPostgresKeyStore(database), log: silentLogger, clock })
    const make = async (key_alias: string, body: object, actor = 'admin') => {
      made[key_alias] = (await keys.generate({ key_alias, ...body }, actor)).token
    }
    await make('One-100%', { user_id: 'ada', team_id: 'engines', organization_id: 'o', access_group_ids: ['g', 'h'] })
    await make('two_of', { user_id: 'adam', team_id: 'engines', project_id: 'p', duration: '1h' })
    await make('three', { agent_id: 'a', duration: '1d' }, 'ada')
    clock.advance(2 * 3_600_000)
  })

  const aliasesOf = async (query: object) => {
    const { keys: listed } = await keys.list({
      ...query,
      return_full_object: 'true',
      sort_by: 'key_alias',
      sort_order: 'asc',
    })
    return listed.map((key) => (typeof key === 'string' ? key : key['key_alias']))
  }

  it.each([
    [{ organization_id: 'o' }, ['One-100%']],
    [{ project_id: 'p' }, ['two_of']],
    [{ agent_id: 'a' }, ['three']],
    [{ access_group_id: 'h' }, ['One-100%']],
    [{ access_group_id: 'x' }, []],
    [{ user_id: 'ada' }, ['One-100%']],
    [{ user_id: 'ada', include_created_by_keys: 'true' }, ['One-100%', 'three']],
    [{ user_id: 'ada', include_team_keys: 'true' }, ['One-100%', 'two_of']],
    [{ user_id: 'ad', substring_matching: 'true' }, ['One-100%', 'two_of']],
    [{ key_alias: 'one', substring_matching: 'true' }, ['One-100%']],
    [{ key_alias: '%', substring_matching: 'true' }, ['One-100%']],
    [{ key_alias: '_', substring_matching: 'true' }, ['two_of']],
    [{ key_alias: 'one' }, []],
    [{ expires: 'expired' }, ['two_of']],
    [{ expires: 'active' }, ['One-100%', 'three']],
    [{ expires: 'active', team_id: 'engines' }, ['One-100%']],
    [{ expires: '', status: '' }, ['One-100%', 'three', 'two_of']],
  ])('hold what %j says', async (query, expected) => {
    expect(new Set(await aliasesOf(query))).toEqual(new Set(expected))
  })

  it('show the user of a key where that is asked for', async () => {
    await expect(keys.list({ user_id: 'ada', expand: 'user' })).resolves.toMatchObject({
      keys: [{ key_alias: 'One-100%', user: { user_id: 'ada' } }],
    })
    await expect(keys.list({ expand: 'team' })).rejects.toMatchObject({ details: { field: 'expand' } })
  })

  it('of aliases are sorted, searched and paged', async () => {
    await expect(keys.aliases({ size: '2' })).resolves.toMatchObject({
      aliases: { length: 2 },
      total_count: 3,
      current_page: 1,
      total_pages: 2,
      size: 2,
    })
    await expect(keys.aliases({ search: 'O' })).resolves.toMatchObject({ total_count: 2 })
    await expect(keys.aliases({ search: 'o', team_id: 'engines' })).resolves.toMatchObject({ total_count: 2, size: 50 })
    await expect(keys.aliases({ team_id: 'nobody' })).resolves.toMatchObject({ aliases: [], total_pages: 0 })
    await expect(keys.aliases({ serch: 'o' })).rejects.toMatchObject({ details: { field: 'serch' } })
  })

  it('show what deleted keys were, by whom and when they were deleted', async () => {
    const own = { key_alias: 'gone', team_id: 'gone-team', organization_id: 'gone-o', metadata: { a: 1 } }
    const { token, key } = await keys.generate(own, 'admin')
    await keys.delete({ keys: [token] }, 'bob')
    await expect(keys.list({ status: 'deleted', team_id: 'gone-team' })).resolves.toMatchObject({
      keys: [token],
      total_count: 1,
    })
    const query = { status: 'deleted', organization_id: 'gone-o', return_full_object: 'true' }
    const shown = await keys.list(query)
    expect(shown.keys).toMatchObject([{ ...own, token, deleted_by: 'bob', deleted_at: expect.any(String) }])
    expect(JSON.stringify(shown)).not.toContain(key.reveal())
    await expect(keys.list({ key_alias: 'gone' })).resolves.toMatchObject({ total_count: 0 })
    // Made again by the same text and deleted again, it is there once.
    await keys.generate({ ...own, key: key.reveal() }, 'admin')
    await keys.delete({ keys: [token] }, 'eve')
    await expect(keys.list(query)).resolves.toMatchObject({ keys: [{ deleted_by: 'eve' }], total_count: 1 })
  })

  describe('of named keys', () => {
    it('answer them in order and name what does not exist', async () => {
      const [one = '', three = ''] = [made['One-100%'], made['three']]
      const unknown = 'f'.repeat(64)
      await expect(keys.infos({ keys: [three, unknown, one] })).resolves.toMatchObject({
        key: [three, one],
        info: [{ token: three }, { token: one }],
        missing: [unknown],
      })
      await expect(keys.infos({ keys: [unknown] })).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
      await expect(keys.infos({ keys: [] })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    })
  })

  it('leave out when a key was last active, which its own row says', async () => {
    const { token } = await keys.generate({}, 'admin')
    await expect(keys.info(token)).resolves.toMatchObject({ info: { last_active: null } })
    const call = { kind: 'list', method: 'tools/list', door: 'mcp-rest', outcome: 'ok', durationMs: 1 } as const
    const shared = { ...call, traceId: 't', requestId: 'r', principalId: 'p', keyHash: token }
    const at = new Date(Date.UTC(2026, 5, 1))
    await database.db.insert(calls).values([
      { ...shared, id: 'last-active-1', startedAt: new Date(0) },
      { ...shared, id: 'last-active-2', startedAt: at },
    ])
    await expect(keys.info(token)).resolves.toMatchObject({ info: { last_active: at.toISOString() } })
  })
})
