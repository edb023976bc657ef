import { type Logger, Secret, silentLogger } from '@toolgate/core'
import { type Database, managementEvents, virtualKeys } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { type ConfigKeyEntry, upsertConfigKeys } from './config-keys.ts'
import { hashKey } from './key-format.ts'
import type { KeyStore } from './key-store.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys, type VirtualKeys } from './virtual-keys.ts'

describeOnStores('keys of the configuration', (openStore) => {
  let database: Database
  let store: KeyStore
  let keys: VirtualKeys
  beforeAll(async () => {
    database = (await openStore()).database
    store = createPostgresKeyStore(database)
    keys = createVirtualKeys({ store, log: silentLogger })
  })
  beforeEach(async () => {
    await database.db.delete(virtualKeys)
    await database.db.delete(managementEvents)
  })

  const first = new Secret('sk-first-0123456789')
  const second = new Secret('sk-second-0123456789')
  const entry = (key: Secret, settings: Record<string, unknown> = {}): ConfigKeyEntry => ({ key, settings })
  const upsert = (entries: ConfigKeyEntry[], log: Logger = silentLogger) => upsertConfigKeys(entries, { store, log })
  const infoOf = async (key: Secret) => (await keys.info(hashKey(key))).info

  it('are made from entries that list servers on the key, and then bring its tools to chat', async () => {
    await upsert([
      entry(first, { models: ['small'], mcp_servers: ['db_main'], key_alias: 'seed' }),
      entry(second, { models: ['small'] }),
    ])
    await expect(infoOf(first)).resolves.toMatchObject({
      key_alias: 'seed',
      models: ['small'],
      object_permission: { mcp_servers: ['db_main'] },
      auto_tools: true,
      created_by: 'config',
    })
    await expect(infoOf(second)).resolves.toMatchObject({ object_permission: null, auto_tools: false })
  })

  it('stay as they are, unrecorded, while the file says the same', async () => {
    const entries = [entry(first, { mcp_servers: ['git'], budget_duration: '1mo', metadata: { b: 1, a: 2 } })]
    await expect(upsert(entries)).resolves.toMatchObject({ added: 1 })
    await expect(upsert(entries)).resolves.toEqual({ added: 0, changed: 0, disabled: 0, refused: [] })
    expect(await database.db.select().from(managementEvents)).toHaveLength(1)
  })

  it('follow the file: a setting that is taken out is taken back, what was spent and an admin’s block are not', async () => {
    await upsert([entry(first, { rpm_limit: 5, mcp_servers: ['git'] })])
    await keys.block({ key: first.reveal() }, 'ada')
    await expect(upsert([entry(first, { mcp_servers: ['wiki'] })])).resolves.toMatchObject({ changed: 1 })
    await expect(infoOf(first)).resolves.toMatchObject({
      rpm_limit: null,
      object_permission: { mcp_servers: ['wiki'] },
      blocked: true,
    })
  })

  it('are disabled when they leave the file and work again when they are back; a block survives both', async () => {
    const entries = [entry(first, { key_alias: 'a' }), entry(second, { key_alias: 'b' })]
    await upsert(entries)
    await keys.block({ key: second.reveal() }, 'ada')
    await expect(upsert([])).resolves.toMatchObject({ disabled: 2 })
    await expect(infoOf(first)).resolves.toMatchObject({ blocked: true, blocked_reason: 'removed_from_config' })
    await expect(keys.unblock({ key: first.reveal() }, 'ada')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('removed from virtual_keys'),
    })
    await expect(upsert(entries)).resolves.toMatchObject({ changed: 2, refused: [] })
    await expect(infoOf(first)).resolves.toMatchObject({ blocked: false, key_alias: 'a' })
    await expect(infoOf(second)).resolves.toMatchObject({ blocked: true, key_alias: 'b' })
  })

  it('leave their alias to the key that replaces them', async () => {
    await upsert([entry(first, { key_alias: 'ci' })])
    await expect(upsert([entry(second, { key_alias: 'ci' })])).resolves.toMatchObject({ added: 1, refused: [] })
  })

  it('never touch a key of the API, neither by its key nor by its alias, and the other entries are taken over', async () => {
    const made = await keys.generate({ key: first.reveal(), key_alias: 'mine', models: ['big'] }, 'ada')
    const warnings: object[] = []
    const log = { ...silentLogger, warn: (fields: object) => warnings.push(fields) }
    const third = new Secret('sk-third-0123456789')
    const sync = await upsert([entry(first), entry(second, { key_alias: 'mine' }), entry(third)], log)
    expect(sync).toMatchObject({ added: 1, refused: [{ hash: hashKey(first) }, { hash: hashKey(second) }] })
    expect(warnings).toEqual(sync.refused)
    await expect(infoOf(first)).resolves.toMatchObject({ models: ['big'], updated_at: made.updated_at, blocked: false })
    await expect(infoOf(third)).resolves.toMatchObject({ blocked: false })
    await upsert([])
    await expect(infoOf(first)).resolves.toMatchObject({ blocked: false })
  })

  it('are the same whichever of two replicas starts first', async () => {
    const entries = [entry(first, { key_alias: 'a' }), entry(second, { key_alias: 'b' })]
    const [one, other] = await Promise.all([upsert(entries), upsert(entries)])
    expect(one.added + other.added).toBe(2)
    expect([...one.refused, ...other.refused]).toEqual([])
  })

  it.each([
    [[entry(first), entry(second, { modles: [] })], 'virtual_keys[1].modles: Unknown field. Did you mean "models"?'],
    [[entry(first, { mcp_servers: 'git' })], /^virtual_keys\[0\]\.object_permission\.mcp_servers: /],
    [[entry(first, { object_permission: 'git', mcp_servers: ['git'] })], /^virtual_keys\[0\]\.object_permission: /],
    [[entry(first, { duration: '30d' })], 'virtual_keys[0].duration: has no meaning here.'],
    [[entry(new Secret('short'))], 'virtual_keys[0].api_key: '],
    [[entry(first), entry(first)], 'virtual_keys[1].api_key: an earlier entry has the same key.'],
  ])(
    'are refused as a whole when an entry cannot be meant, which is named without its key',
    async (entries, message) => {
      const refused = upsert(entries)
      await expect(refused).rejects.toThrow(message)
      await expect(refused).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: expect.not.stringContaining(first.reveal()),
      })
      await expect(keys.list({})).resolves.toMatchObject({ total_count: 0 })
    },
  )
})
