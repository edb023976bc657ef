import { Secret, silentLogger } from '@toolgate/core'
import { type Database, managementEvents } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { and, eq } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { upsertConfigKeys } from './config-keys.ts'
import { hashKey } from './key-format.ts'
import type { KeyStore } from './key-store.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys, type VirtualKeys } from './virtual-keys.ts'

describeOnStores('changing keys', (openStore) => {
  const start = Date.UTC(2026, 0, 1)
  let clock = fakeClock(start)
  let database: Database
  let store: KeyStore
  let keys: VirtualKeys
  beforeAll(async () => {
    database = (await openStore()).database
    store = createPostgresKeyStore(database)
  })
  beforeEach(() => {
    clock = fakeClock(start)
    keys = createVirtualKeys({ store, log: silentLogger, clock })
  })

  const make = async (body: object = {}) => (await keys.generate(body, 'admin')).token
  const infoOf = async (token: string) => (await keys.info(token)).info
  const eventsOf = (token: string, action: string) =>
    database.db
      .select({ actor: managementEvents.actor, details: managementEvents.details })
      .from(managementEvents)
      .where(and(eq(managementEvents.objectId, token), eq(managementEvents.action, action)))

  describe('update', () => {
    it('changes what the request says, keeps what it leaves out, and clears what is null', async () => {
      const key = await make({
        key_alias: 'update-me',
        user_id: 'ada',
        models: ['small'],
        max_budget: 10,
        duration: '1d',
        object_permission: { mcp_servers: ['git'], blocked_tools: ['push'] },
        metadata: { cost_centre: 7 },
        tags: ['nightly'],
        mcp_rpm_limit: { git: 5 },
      })
      const before = await infoOf(key)
      clock.advance(3_600_000)
      const answer = await keys.update(
        {
          key,
          max_budget: null,
          rpm_limit: 60,
          duration: '2d',
          object_permission: { mcp_servers: ['git', 'wiki'] },
          tags: ['weekly'],
        },
        'bob',
      )
      expect(answer).toMatchObject({
        key,
        token: key,
        warnings: [expect.stringContaining('tags')],
      })
      expect(await infoOf(key)).toEqual({
        ...before,
        max_budget: null,
        rpm_limit: 60,
        expires: '2026-01-03T01:00:00.000Z',
        object_permission: { ...before.object_permission, mcp_servers: ['git', 'wiki'], blocked_tools: ['push'] },
        metadata: { cost_centre: 7, tags: ['weekly'], mcp_rpm_limit: { git: 5 } },
        updated_at: expect.any(String),
        updated_by: 'bob',
      })
      await keys.update({ key, metadata: { owner: 'x' }, mcp_rpm_limit: null, duration: '-1', user_id: null }, 'bob')
      expect(await infoOf(key)).toMatchObject({
        metadata: { owner: 'x', tags: ['weekly'] },
        expires: null,
        user_id: null,
        key_alias: 'update-me',
      })
      expect((await infoOf(key)).metadata).not.toHaveProperty('mcp_rpm_limit')
    })

    it('leaves an event with the names of the fields that changed, and none where nothing did', async () => {
      const key = await make({ max_budget: 1, models: ['a'] })
      await keys.update({ key, max_budget: 2, models: ['a'], metadata: { password: 'hunter2' } }, 'bob')
      await keys.update({ key, max_budget: 2 }, 'bob')
      const events = await eventsOf(key, 'key.update')
      expect(events).toMatchObject([{ actor: 'bob', details: { changed: ['max_budget', 'metadata'] } }])
      expect(JSON.stringify(events)).not.toContain('hunter2')
    })

    it('finds a key by its alias, and renames one that is named by its key', async () => {
      const key = await make({ key_alias: 'by-alias' })
      await expect(keys.update({ key_alias: 'by-alias', rpm_limit: 3 }, 'bob')).resolves.toMatchObject({
        key,
        rpm_limit: 3,
      })
      await expect(keys.update({ key, key_alias: 'renamed' }, 'bob')).resolves.toMatchObject({ key_alias: 'renamed' })
      await expect(keys.update({ key_alias: 'by-alias', rpm_limit: 3 }, 'bob')).rejects.toMatchObject({
        code: 'KEY_NOT_FOUND',
        details: { field: 'key_alias' },
      })
      await make({ key_alias: 'taken-by-another' })
      await expect(keys.update({ key, key_alias: 'taken-by-another' }, 'bob')).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { field: 'key_alias' },
      })
    })

    it('never widens the routes of a key by a list that says nothing', async () => {
      const typed = await make({ key_type: 'llm_api' })
      await expect(keys.update({ key: typed, allowed_routes: [] }, 'bob')).resolves.toMatchObject({
        allowed_routes: ['llm_api_routes'],
      })
      await expect(keys.update({ key: typed, key_type: 'read_only' }, 'bob')).resolves.toMatchObject({
        allowed_routes: ['info_routes'],
      })
      const listed = await make({ allowed_routes: ['/v1/models'] })
      await expect(keys.update({ key: listed, key_type: 'default' }, 'bob')).resolves.toMatchObject({
        allowed_routes: ['/v1/models'],
      })
    })

    it('stores a temporary raise of the budget with its end, both or none', async () => {
      const key = await make()
      const raised = await keys.update({ key, temp_budget_increase: 5, temp_budget_expiry: '10d' }, 'bob')
      expect(raised.metadata).toEqual({ temp_budget_increase: 5, temp_budget_expiry: '2026-01-11T00:00:00.000Z' })
      expect(raised.warnings).toContain('temp_budget_increase is stored and not enforced by this version')
      const cleared = await keys.update({ key, temp_budget_increase: null, temp_budget_expiry: null }, 'bob')
      expect(cleared.metadata).toEqual({})
    })

    it.each([
      [{ temp_budget_increase: 5 }, 'temp_budget_expiry'],
      [{ temp_budget_increase: 5, temp_budget_expiry: 'soon' }, 'temp_budget_expiry'],
      [{ duration: 'soon' }, 'duration'],
      [{ auto_rotate: true }, 'rotation_interval'],
      [{ max_budgt: 5 }, 'max_budgt'],
      [{ object_permission: { mcp_server: [] } }, 'object_permission.mcp_server'],
    ])('refuses what it cannot mean: %j', async (body, field) => {
      const key = await make()
      const refused = keys.update({ key, ...body }, 'bob')
      await expect(refused).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } })
      expect(await eventsOf(key, 'key.update')).toEqual([])
    })

    it('refuses to guess which key is meant', async () => {
      await expect(keys.update({ max_budget: 1 }, 'bob')).rejects.toMatchObject({ details: { field: 'key' } })
      await expect(keys.update({ key: 'sk-not-there-0123456789' }, 'bob')).rejects.toMatchObject({
        code: 'KEY_NOT_FOUND',
      })
    })

    it('loses no field of fifty updates at once', async () => {
      const key = await make({ metadata: {} })
      const fields = [
        'max_budget',
        'soft_budget',
        'rpm_limit',
        'tpm_limit',
        'max_parallel_requests',
        'user_id',
        'team_id',
        'project_id',
        'agent_id',
        'organization_id',
      ]
      const value = (field: string) => (field.endsWith('_id') ? field : 7)
      const updates = Array.from({ length: 50 }, (_, index) => {
        const field = fields[index % fields.length] ?? ''
        return keys.update({ key, [field]: value(field) }, 'bob')
      })
      await Promise.all(updates)
      expect(await infoOf(key)).toMatchObject(Object.fromEntries(fields.map((field) => [field, value(field)])))
    })

    it('loses no field of metadata either, which is one column', async () => {
      const key = await make({ metadata: { own: 1 } })
      await Promise.all([
        keys.update({ key, tags: ['a'] }, 'bob'),
        keys.update({ key, guardrails: ['b'] }, 'bob'),
        keys.update({ key, policies: ['c'] }, 'bob'),
      ])
      expect((await infoOf(key)).metadata).toEqual({ own: 1, tags: ['a'], guardrails: ['b'], policies: ['c'] })
    })

    it('gives an alias that fifty keys want at once to one of them', async () => {
      const made = await Promise.all(Array.from({ length: 50 }, () => make()))
      const wants = await Promise.allSettled(made.map((key) => keys.update({ key, key_alias: 'wanted' }, 'bob')))
      expect(wants.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      const reasons = wants.flatMap((want) => (want.status === 'rejected' ? [want.reason] : []))
      for (const reason of reasons) expect(reason).toMatchObject({ code: 'CONFLICT', details: { field: 'key_alias' } })
    })
  })

  it('bulk_update changes each key on its own and says what became of it', async () => {
    const [first, second] = [await make(), await make()]
    const raw = 'sk-not-there-0123456789'
    const answer = await keys.bulkUpdate(
      {
        keys: [
          { key: first, max_budget: 5 },
          { key: raw, max_budget: 5 },
          { key: second, max_budget: 'much' },
        ],
      },
      'bob',
    )
    expect(answer).toMatchObject({
      total_requested: 3,
      successful_updates: [{ key: first, key_info: { max_budget: 5 } }],
      failed_updates: [
        { key: hashKey(new Secret(raw)), failed_reason: expect.stringContaining('sk-...6789') },
        { key: second, failed_reason: expect.stringContaining('max_budget') },
      ],
    })
    expect(JSON.stringify(answer)).not.toContain(raw)
    await expect(keys.bulkUpdate({ keys: [] }, 'bob')).rejects.toMatchObject({ details: { field: 'keys' } })
  })

  it('reset_spend lowers what was spent, and never raises it', async () => {
    const key = await make({ spend: 8, max_budget: 10 })
    await expect(keys.resetSpend(key, { reset_to: 9 }, 'bob')).rejects.toMatchObject({ details: { field: 'reset_to' } })
    await expect(keys.resetSpend(key, { reset_to: 2 }, 'bob')).resolves.toEqual({
      key_hash: key,
      spend: 2,
      previous_spend: 8,
      max_budget: 10,
      budget_reset_at: null,
    })
    expect(await eventsOf(key, 'key.reset_spend')).toMatchObject([{ details: { changed: ['spend'] } }])
  })

  it('a key of a service account has a team and no user, whatever the defaults say', async () => {
    keys = createVirtualKeys({ store, log: silentLogger, clock, defaults: () => ({ user_id: 'everybody' }) })
    await expect(keys.generateForService({ team_id: 'engines' }, 'admin')).resolves.toMatchObject({
      team_id: 'engines',
      user_id: null,
      key: expect.any(Secret),
    })
    await expect(keys.generateForService({}, 'admin')).rejects.toMatchObject({ details: { field: 'team_id' } })
    const withUser = keys.generateForService({ team_id: 'engines', user_id: 'ada' }, 'admin')
    await expect(withUser).rejects.toMatchObject({ details: { field: 'user_id' } })
    await expect(keys.generate({}, 'admin')).resolves.toMatchObject({ user_id: 'everybody' })
  })

  it('what the file says of its keys, the API does not change; a block and what was spent are its own', async () => {
    const key = new Secret('sk-of-the-file-0123456789')
    await upsertConfigKeys([{ key, settings: { models: ['a'], key_alias: 'of-the-file' } }], {
      store,
      log: silentLogger,
    })
    const token = hashKey(key)
    const ofTheFile = { code: 'CONFLICT', message: expect.stringContaining('virtual_keys') }
    await expect(keys.update({ key: token, models: ['b'] }, 'bob')).rejects.toMatchObject(ofTheFile)
    await expect(keys.regenerate({ key: token }, 'bob')).rejects.toMatchObject(ofTheFile)
    await expect(keys.delete({ keys: [token] }, 'bob')).rejects.toMatchObject(ofTheFile)
    await expect(keys.update({ key: token, blocked: true, models: ['a'] }, 'bob')).resolves.toMatchObject({
      blocked: true,
    })
    await expect(keys.update({ key: token, spend: 3 }, 'bob')).resolves.toMatchObject({ spend: 3 })
    // What is no longer in the file is nobody's but the API's.
    await upsertConfigKeys([], { store, log: silentLogger })
    await expect(keys.update({ key: token, blocked: false }, 'bob')).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(keys.delete({ keys: [token] }, 'bob')).resolves.toEqual({ deleted_keys: [token] })
  })
})
