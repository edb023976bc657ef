import { createHash } from 'node:crypto'
import { createPostgresKeyStore, createVirtualKeys } from '@toolgate/auth'
import { silentLogger } from '@toolgate/core'
import { type Database, managementEvents, migrate, openDatabase } from '@toolgate/db'
import { createApp } from '@toolgate/proxy'
import { createDatabase, describeOnPostgres, openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')
const hour = 3_600_000

describe('changing keys through the API', () => {
  const log = recordingLog()
  let gateway: Booted
  let database: Database
  beforeAll(async () => {
    database = await openTestDatabase()
    gateway = await boot({ database, log })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const post = (path: string, body: object, status = 200) => gateway.json(path, { body, status })
  const status = async (key: string, path = '/v1/models') => (await gateway.request(path, { key })).status
  /** The key of an answer that shows one. */
  const keyOf = ({ key }: Record<string, unknown>) => {
    if (typeof key !== 'string') throw new Error('no key was shown')
    return key
  }

  verifies('keys:change', 'takes effect with the next request and is recorded by the names of its fields', async () => {
    const key = await gateway.makeKey({ key_alias: 'changed', max_budget: 1, models: ['small'] })
    const headers = { 'litellm-changed-by': 'alice' }
    const body = { key, allowed_routes: ['info_routes'], metadata: { note: 'the text of a note' }, max_budget: null }
    expect(await gateway.json('/key/update', { body, headers })).toMatchObject({
      key: hashOf(key),
      key_alias: 'changed',
      models: ['small'],
      max_budget: null,
      updated_by: 'alice',
    })
    expect([await status(key), await status(key, '/mcp-rest/tools/list')]).toEqual([200, 403])
    const events = await database.db.select().from(managementEvents)
    expect(events.filter(({ action }) => action === 'key.update')).toMatchObject([
      { actor: 'alice', details: { changed: ['allowed_routes', 'max_budget', 'metadata'] } },
    ])
    expect(JSON.stringify(events)).not.toContain('the text of a note')
  })

  verifies('keys:change', 'names what is wrong with a request, and changes nothing', async () => {
    const key = await gateway.makeKey()
    const bad: [string, object, object][] = [
      [
        '/key/update',
        { key, max_budgt: 1 },
        { detail: [{ loc: ['body', 'max_budgt'], msg: expect.stringContaining('max_budget') }] },
      ],
      ['/key/update', { key, models: 'small' }, { detail: [{ loc: ['body', 'models'] }] }],
      ['/key/bulk_update', { keys: [] }, { detail: [{ loc: ['body', 'keys'] }] }],
      ['/key/service-account/generate', {}, { detail: [{ loc: ['body', 'team_id'] }] }],
      [`/key/${key}/reset_spend`, {}, { detail: [{ loc: ['body', 'reset_to'] }] }],
      ['/v2/key/info', {}, { detail: [{ loc: ['body', 'keys'] }] }],
    ]
    for (const [path, body, answer] of bad) expect(await post(path, body, 422)).toMatchObject(answer)
    expect(await post('/key/update', { max_budget: 1 }, 400)).toMatchObject({ error: { param: 'key', code: '400' } })
    expect(await post('/key/regenerate', {}, 400)).toMatchObject({ error: { param: 'key' } })
    expect(await post('/key/sk-no-such-key-anywhere/regenerate', {}, 404)).toMatchObject({ error: { param: 'key' } })
    expect(await post(`/key/${key}/regenerate`, { key: 'sk-another-key-of-someone' }, 400)).toMatchObject({
      error: { param: 'key' },
    })
    expect(await status(key)).toBe(200)
  })

  verifies('keys:life', 'reads several keys, aliases and deleted ones', async () => {
    const [one, two] = [await gateway.makeKey({ key_alias: 'read-1' }), await gateway.makeKey({ key_alias: 'read-2' })]
    expect(await post('/v2/key/info', { keys: [two, hashOf(one)] })).toMatchObject({
      key: [hashOf(two), hashOf(one)],
      info: [{ key_alias: 'read-2' }, { key_alias: 'read-1' }],
      missing: [],
    })
    expect(await gateway.json('/key/aliases?search=READ-&size=1')).toEqual({
      aliases: ['read-1'],
      total_count: 2,
      current_page: 1,
      total_pages: 2,
      size: 1,
    })
    expect(
      await post('/key/bulk_update', { keys: [{ key: one, tags: ['t'] }, { key: 'sk-not-one-of-ours-x' }] }),
    ).toMatchObject({
      total_requested: 2,
      successful_updates: [{ key: hashOf(one), key_info: { metadata: { tags: ['t'] } } }],
      failed_updates: [{ failed_reason: expect.any(String) }],
    })
    await post('/key/delete', { key_aliases: ['read-1'] })
    expect(await gateway.json('/key/list?status=deleted&key_alias=read-1&return_full_object=true')).toMatchObject({
      keys: [{ token: hashOf(one), deleted_by: 'default_user_id' }],
      total_count: 1,
    })
    const account = await post('/key/service-account/generate', { team_id: 't-1', spend: 4 })
    expect(account).toMatchObject({ team_id: 't-1', user_id: null })
    expect(await post(`/key/${keyOf(account)}/reset_spend`, { reset_to: 0 })).toMatchObject({
      spend: 0,
      previous_spend: 4,
    })
  })

  verifies(
    'keys:regenerate',
    'shows the next key once, and ends the former one at once or after its grace',
    async () => {
      const first = await gateway.makeKey({ key_alias: 'next', user_id: 'u-1' })
      expect(await status(first)).toBe(200)
      const second = keyOf(await gateway.json(`/key/regenerate?key=${first}`, { method: 'POST' }))
      expect([await status(first), await status(second)]).toEqual([401, 200])
      const third = keyOf(
        await post(`/key/${hashOf(second)}/regenerate`, { grace_period: '1h', new_key: 'sk-of-my-own-choice' }),
      )
      expect(third).toBe('sk-of-my-own-choice')
      expect([await status(first), await status(second), await status(third)]).toEqual([401, 200, 200])
      expect(await gateway.json('/key/info', { key: second })).toMatchObject({
        key: hashOf(third),
        info: { key_alias: 'next', user_id: 'u-1', rotation_count: 2 },
      })
      await post('/key/block', { key: third })
      expect([await status(second), await status(third)]).toEqual([401, 401])
      await post('/key/unblock', { key: third })
      await post('/key/delete', { keys: [third] })
      expect([await status(second), await status(third)]).toEqual([401, 401])
      for (const key of [first, second, third]) expect(log.lines.join('\n')).not.toContain(key)
    },
  )

  verifies('admin:closed-by-default', 'is for administrators; a key reads itself and asks how it is', async () => {
    const [own, other] = [await gateway.makeKey(), await gateway.makeKey()]
    const as = async (path: string, body: object) => {
      const response = await gateway.request(path, { key: own, body })
      return { status: response.status, text: await response.text() }
    }
    for (const target of [own, other]) {
      const attempts: [string, object][] = [
        ['/key/update', { key: target, max_budget: 9 }],
        ['/key/bulk_update', { keys: [{ key: target }] }],
        ['/key/regenerate', { key: target }],
        [`/key/${target}/regenerate`, {}],
        [`/key/${target}/reset_spend`, { reset_to: 0 }],
        ['/key/service-account/generate', { team_id: 't' }],
      ]
      for (const [path, body] of attempts) {
        const answer = await as(path, body)
        expect([path, answer.status]).toEqual([path, 403])
        expect(answer.text).not.toContain(target)
      }
    }
    expect((await gateway.request('/key/aliases', { key: own })).status).toBe(403)
    expect((await as('/v2/key/info', { keys: [own] })).status).toBe(200)
    expect((await as('/v2/key/info', { keys: [own, other] })).status).toBe(403)
    expect(JSON.parse((await as('/key/health', {})).text)).toEqual({ key: 'healthy', logging_callbacks: null })
    // Not due, and nobody said that it is to be rotated.
    expect((await as('/key/rotate', {})).status).toBe(400)
    await post('/key/block', { key: own })
    expect((await as('/key/health', {})).status).toBe(401)
  })

  it('lets fifty changes of one key at once all take effect, and none of them twice', async () => {
    const key = await gateway.makeKey()
    const updates = Array.from({ length: 50 }, (_, index) =>
      gateway.request('/key/update', { body: { key, [index % 2 === 0 ? 'rpm_limit' : 'tpm_limit']: 7 } }),
    )
    expect(new Set((await Promise.all(updates)).map((response) => response.status))).toEqual(new Set([200]))
    expect(await gateway.json(`/key/info?key=${key}`)).toMatchObject({ info: { rpm_limit: 7, tpm_limit: 7 } })
    const tries = await Promise.all(
      Array.from({ length: 50 }, () => gateway.request('/key/regenerate', { body: { key } })),
    )
    expect(tries.map((response) => response.status).filter((each) => each === 200)).toHaveLength(1)
  })
})

describe('time and keys', () => {
  verifies(
    'keys:rotation',
    'a due key goes on until its holder has fetched the next one, and a while longer',
    async () => {
      const clock = fakeClock(Date.now())
      await using gateway = await boot({ clock })
      const key = await gateway.makeKey({ auto_rotate: true, rotation_interval: '1d', key_type: 'llm_api' })
      const status = async (which: string) => (await gateway.request('/v1/models', { key: which })).status
      expect((await gateway.request('/key/rotate', { key, method: 'POST' })).status).toBe(400)
      clock.advance(25 * hour)
      expect(await status(key)).toBe(200)
      const next = await gateway.json('/key/rotate', { key, method: 'POST' })
      const shown = String(next['key'])
      expect(next).toMatchObject({ token: hashOf(shown), rotation_count: 1, key_type: 'llm_api' })
      expect([await status(key), await status(shown)]).toEqual([200, 200])
      const again = await gateway.request('/key/rotate', { key, method: 'POST' })
      expect(again.status).toBe(400)
      expect(await again.text()).toContain('use its successor')
      clock.advance(24 * hour)
      expect([await status(key), await status(shown)]).toEqual([401, 200])
    },
  )

  verifies('keys:rotation', "the master key becomes nobody's key, and is not repeated", async () => {
    await using gateway = await boot()
    const key = await gateway.makeKey()
    for (const [path, body] of [
      ['/key/generate', { key: gateway.masterKey }],
      ['/key/service-account/generate', { key: gateway.masterKey, team_id: 't' }],
      ['/key/regenerate', { key, new_key: gateway.masterKey }],
    ] as const) {
      const response = await gateway.request(path, { body })
      expect(response.status).toBe(400)
      const answer = await response.text()
      expect(answer).toContain('must not be the master key')
      expect(answer).not.toContain(gateway.masterKey)
    }
  })

  verifies('keys:bounds', 'a key above a bound of the file is refused, naming both', async () => {
    const database = await openTestDatabase()
    await using gateway = await boot({ database })
    const keys = createVirtualKeys({
      store: createPostgresKeyStore(database),
      log: silentLogger,
      defaults: () => ({ models: ['small'] }),
      upperBounds: () => ({ max_budget: 10, duration: '30d' }),
    })
    const app = createApp({ ...gateway.services, keys })
    const post = async (body: object) => {
      const headers = { 'x-litellm-api-key': gateway.masterKey, 'content-type': 'application/json' }
      const response = await app.request('/key/generate', { method: 'POST', headers, body: JSON.stringify(body) })
      const answer: unknown = await response.json()
      return { status: response.status, answer }
    }
    expect(await post({ max_budget: 11 })).toMatchObject({
      status: 400,
      answer: { error: { param: 'max_budget', message: expect.stringContaining('10') } },
    })
    expect(await post({})).toMatchObject({
      status: 200,
      answer: { models: ['small'], max_budget: 10, duration: '30d' },
    })
  })
})

describeOnPostgres('a key that changes on two gateways with one store', (server) => {
  let here: Booted
  let there: Booted
  beforeAll(async () => {
    const url = await createDatabase(await server())
    const first = await openDatabase({ url })
    await migrate(first)
    here = await boot({ database: first })
    there = await boot({ database: await openDatabase({ url }) })
  })
  afterAll(async () => {
    await here[Symbol.asyncDispose]()
    await there[Symbol.asyncDispose]()
  })

  const status = async (gateway: Booted, key: string) => (await gateway.request('/v1/models', { key })).status
  /** Within the two seconds that are promised. */
  const soon = (gateway: Booted, key: string, expected: number) =>
    vi.waitFor(async () => expect(await status(gateway, key)).toBe(expected), { timeout: 2_000, interval: 20 })

  verifies(
    'keys:take-effect',
    'is replaced, blocked as what it was, and ended on both within two seconds',
    async () => {
      const [first, second, third] = ['sk-first-of-three-keys', 'sk-second-of-three-keys', 'sk-third-of-three-keys']
      await here.makeKey({ key: first })
      await soon(there, first, 200)
      // Both have learnt that there is no such key.
      for (const gateway of [here, there]) expect(await status(gateway, second)).toBe(401)
      await here.json('/key/regenerate', { body: { key: first, new_key: second, grace_period: '1h' } })
      await soon(there, second, 200)
      expect(await status(there, first)).toBe(200)

      await there.json('/key/block', { body: { key: second } })
      for (const key of [first, second]) await soon(here, key, 401)
      await there.json('/key/update', { body: { key: first, blocked: false } })
      for (const key of [first, second]) await soon(here, key, 200)

      await here.json('/key/regenerate', { body: { key: second, new_key: third } })
      for (const key of [first, second]) await soon(there, key, 401)
      await soon(there, third, 200)
    },
  )

  verifies('keys:change', 'gives an alias that both want at once to one of them', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => here.makeKey()))
    const wants = keys.map((key, index) =>
      (index % 2 === 0 ? here : there).request('/key/update', { body: { key, key_alias: 'wanted by all' } }),
    )
    const statuses = (await Promise.all(wants)).map((response) => response.status)
    expect(statuses.toSorted((left, right) => left - right)).toEqual([200, ...Array.from({ length: 19 }, () => 400)])
  })
})
