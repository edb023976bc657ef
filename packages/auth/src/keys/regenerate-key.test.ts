import { Secret, silentLogger } from '@toolgate/core'
import { type Database, managementEvents } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { type FakeClock, fakeClock } from '@toolgate/testing/fake-clock'
import { eq } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createAuthenticator } from '../inbound/authenticate.ts'
import { createKeyAdmission } from '../inbound/key-admission.ts'
import { createKeyCache, type KeyCache } from './key-cache.ts'
import { hashKey } from './key-format.ts'
import { createPostgresKeyRotationStore } from './key-rotation.postgres.ts'
import type { KeyStore } from './key-store.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createKeyRotationWorker } from './rotation-worker.ts'
import { createVirtualKeys, type VirtualKeys } from './virtual-keys.ts'

const signal = new AbortController().signal
const hour = 3_600_000

describeOnStores('another key in the place of one', (openStore) => {
  let clock: FakeClock
  let database: Database
  let store: KeyStore
  let cache: KeyCache
  let keys: VirtualKeys
  beforeAll(async () => {
    database = (await openStore()).database
    store = createPostgresKeyStore(database)
  })
  beforeEach(() => {
    // The database's own clock decides nothing here, but must not be far ahead of what was just made.
    clock = fakeClock(Date.now())
    cache = createKeyCache({ store, log: silentLogger, clock })
    keys = createVirtualKeys({ store, log: silentLogger, clock, onChange: cache.forget })
  })

  const make = async (body: object = {}) => (await keys.generate(body, 'admin')).key
  const regenerate = async (key: Secret, body: object = {}) =>
    (await keys.regenerate({ key: key.reveal(), ...body }, 'bob')).key
  /** The hash of the key that a credential means, or the code of the refusal. */
  const admitted = async (key: Secret) => {
    const authenticate = createAuthenticator({
      masterKey: new Secret('sk-master-0123456789'),
      keys: createKeyAdmission({ keys: cache, defaultAccess: () => 'none', clock }),
      defaultAccess: () => 'none',
    })
    return authenticate(key, signal).then(
      ({ keyHash }) => keyHash,
      (error: unknown) => Reflect.get(Object(error), 'code'),
    )
  }

  it('is answered once, keeps all that the key was, and ends the former one', async () => {
    const first = await make({ key_alias: 'regenerated', models: ['small'], spend: 3, metadata: { a: 1 } })
    expect(await admitted(first)).toBe(hashKey(first))
    const answer = await keys.regenerate({ key: first.reveal(), max_budget: 9 }, 'bob')
    const token = hashKey(answer.key)
    expect(answer).toMatchObject({
      key: expect.any(Secret),
      token,
      token_id: token,
      key_name: `sk-...${answer.key.reveal().slice(-4)}`,
      key_alias: 'regenerated',
      models: ['small'],
      spend: 3,
      max_budget: 9,
      metadata: { a: 1 },
      rotation_count: 1,
      last_rotation_at: new Date(clock.now()).toISOString(),
      created_by: 'admin',
      updated_by: 'bob',
    })
    expect([await admitted(first), await admitted(answer.key)]).toEqual(['CREDENTIAL_INVALID', token])
    await expect(keys.info(first.reveal())).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
    await expect(keys.list({ key_alias: 'regenerated' })).resolves.toMatchObject({ keys: [token], total_count: 1 })
    const kept = await database.db.select().from(managementEvents).where(eq(managementEvents.action, 'key.regenerate'))
    expect(kept.map(({ objectId }) => objectId).toSorted()).toEqual([hashKey(first), token].toSorted())
    for (const key of [first, answer.key]) expect(JSON.stringify(kept)).not.toContain(key.reveal())
  })

  it('lets the former one mean the same key until the grace period ends', async () => {
    const first = await make({ user_id: 'ada' })
    await admitted(first)
    const second = await regenerate(first, { grace_period: '48h' })
    const token = hashKey(second)
    expect([await admitted(first), await admitted(second)]).toEqual([token, token])
    await expect(keys.info(first.reveal())).resolves.toMatchObject({ key: token, info: { expires: null } })
    clock.advance(48 * hour - 1)
    expect(await admitted(first)).toBe(token)
    clock.advance(1)
    expect([await admitted(first), await admitted(second)]).toEqual(['KEY_EXPIRED', token])
    await expect(keys.info(first.reveal())).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
  })

  it('never lets a former key outlive the key', async () => {
    const first = await make({ duration: '1h' })
    const second = await regenerate(first, { grace_period: '48h' })
    clock.advance(hour)
    expect([await admitted(first), await admitted(second)]).toEqual(['KEY_EXPIRED', 'KEY_EXPIRED'])
  })

  it('moves every former key on when it is regenerated again within the grace period', async () => {
    const first = await make()
    const second = await regenerate(first, { grace_period: '2h' })
    clock.advance(hour)
    const third = await regenerate(first, { grace_period: '3h' })
    const token = hashKey(third)
    expect([await admitted(first), await admitted(second), await admitted(third)]).toEqual([token, token, token])
    clock.advance(hour)
    expect([await admitted(first), await admitted(second)]).toEqual(['KEY_EXPIRED', token])
    const fourth = await regenerate(third)
    expect([await admitted(first), await admitted(second), await admitted(third)]).toEqual(
      Array.from({ length: 3 }, () => 'CREDENTIAL_INVALID'),
    )
    expect(await admitted(fourth)).toBe(hashKey(fourth))
  })

  it('blocks, changes and deletes the former keys along, also by the name of one', async () => {
    const first = await make()
    const second = await regenerate(first, { grace_period: '48h' })
    await admitted(first)
    await keys.block({ key: second.reveal() }, 'bob')
    expect(await admitted(first)).toBe('KEY_BLOCKED')
    await keys.unblock({ key: first.reveal() }, 'bob')
    expect(await admitted(second)).toBe(hashKey(second))
    await keys.update({ key: first.reveal(), models: ['small'] }, 'bob')
    await expect(cache.find(hashKey(first), signal)).resolves.toMatchObject({ models: ['small'] })
    await keys.delete({ keys: [first.reveal()] }, 'bob')
    expect([await admitted(first), await admitted(second)]).toEqual(['CREDENTIAL_INVALID', 'CREDENTIAL_INVALID'])
    // Nor does it come back with another key of the same text.
    await make({ key: second.reveal() })
    clock.advance(10_000)
    expect(await admitted(first)).toBe('CREDENTIAL_INVALID')
  })

  it('is heard elsewhere by polling alone, for the former keys as well', async () => {
    const elsewhere = createKeyCache({ store, log: silentLogger, clock })
    await elsewhere.start()
    const found = (key: Secret) => elsewhere.find(hashKey(key), signal)
    const polled = async (key: Secret, expected: object | undefined) => {
      clock.advance(1_000)
      await vi.waitFor(async () => expect(await found(key)).toEqual(expected), { timeout: 2_000, interval: 20 })
    }
    const first = await make()
    await found(first)
    const second = await regenerate(first, { grace_period: '48h' })
    await polled(first, expect.objectContaining({ hash: hashKey(second), blocked: false }))
    await keys.block({ key: second.reveal() }, 'bob')
    await polled(first, expect.objectContaining({ blocked: true }))
    await regenerate(second)
    await polled(first, undefined)
    await polled(second, undefined)
    await elsewhere.close()
  })

  it('takes a key of the caller’s choice, but none that is another’s or was a moment ago', async () => {
    const [first, other] = [await make(), await make()]
    const second = await regenerate(first, { new_key: 'sk-chosen-for-the-second', grace_period: '1h' })
    expect(second.reveal()).toBe('sk-chosen-for-the-second')
    const conflict = { code: 'CONFLICT', details: { field: 'new_key' } }
    for (const taken of [first, second, other]) {
      await expect(regenerate(other, { new_key: taken.reveal() })).rejects.toMatchObject(conflict)
    }
    await expect(keys.generate({ key: first.reveal() }, 'admin')).rejects.toMatchObject({ code: 'CONFLICT' })
    // Back to its own former one.
    await regenerate(second, { new_key: first.reveal() })
    expect([await admitted(first), await admitted(second)]).toEqual([hashKey(first), 'CREDENTIAL_INVALID'])
  })

  it.each([
    [{ new_key: 'short' }, 'new_key'],
    [{ new_master_key: 'sk-0123456789012345' }, 'new_master_key'],
    [{ grace_period: 'a while' }, 'grace_period'],
    [{ grace_period: '-1' }, 'grace_period'],
    [{ duration: 'soon' }, 'duration'],
  ])('refuses what it cannot mean, and the key goes on: %j', async (body, field) => {
    const key = await make()
    await expect(regenerate(key, body)).rejects.toMatchObject({ code: 'INVALID_REQUEST', details: { field } })
    expect(await admitted(key)).toBe(hashKey(key))
  })

  it('is one key of fifty requests at once without a grace period, and a chain of fifty with one', async () => {
    const lone = await make()
    const tries = await Promise.allSettled(Array.from({ length: 50 }, () => regenerate(lone)))
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const reasons = tries.flatMap((attempt) => (attempt.status === 'rejected' ? [attempt.reason] : []))
    for (const reason of reasons) expect(reason).toMatchObject({ code: 'KEY_NOT_FOUND' })
    const chained = await make({ key_alias: 'chained' })
    const next = await Promise.all(Array.from({ length: 50 }, () => regenerate(chained, { grace_period: '1h' })))
    const meant = new Set(await Promise.all([chained, ...next].map((key) => admitted(key))))
    expect(meant.size).toBe(1)
    await expect(keys.list({ key_alias: 'chained', return_full_object: 'true' })).resolves.toMatchObject({
      keys: [{ token: [...meant][0], rotation_count: 50 }],
    })
  })

  it('loses no update that is made at the same time', async () => {
    const key = await make({ key_alias: 'raced' })
    const update = (index: number) =>
      keys.update(
        {
          ...(index % 3 === 0 ? { key_alias: 'raced' } : { key: key.reveal() }),
          [`${index % 2 === 0 ? 'rpm' : 'tpm'}_limit`]: 5,
        },
        'bob',
      )
    const before = Array.from({ length: 10 }, (_, index) => update(index))
    const regenerated = regenerate(key, { grace_period: '1h', max_budget: 3 })
    const after = Array.from({ length: 10 }, (_, index) => update(index))
    await Promise.all([...before, regenerated, ...after])
    await expect(keys.info(key.reveal())).resolves.toMatchObject({
      key: hashKey(await regenerated),
      info: { rpm_limit: 5, tpm_limit: 5, max_budget: 3 },
    })
  })

  describe('rotation', () => {
    it('is announced once for each time a key is due, by one of several replicas', async () => {
      const due = await make({ auto_rotate: true, rotation_interval: '1h', key_alias: 'due' })
      await make({ auto_rotate: true, rotation_interval: '3h' })
      const lines: unknown[] = []
      const log = { ...silentLogger, warn: (fields: object) => lines.push(fields) }
      const worker = () =>
        createKeyRotationWorker({ store: createPostgresKeyRotationStore(database), log, clock, checkEveryMs: hour })
      const look = async () => {
        const workers = [worker(), worker()]
        for (const each of workers) each.start()
        await Promise.all(workers.map((each) => each.close()))
      }
      await look()
      expect(lines).toEqual([])
      clock.advance(hour)
      await look()
      await look()
      expect(lines).toEqual([
        { key: expect.any(String), alias: 'due', token: hashKey(due), due: new Date(clock.now()).toISOString() },
      ])
      await keys.rotate(hashKey(due), 'holder')
      clock.advance(hour)
      await look()
      expect(lines).toHaveLength(2)
      expect(clock.pending).toBe(0)
    })

    it('gives the holder of a due key the next one, and time to put it to use', async () => {
      const key = await make({ auto_rotate: true, rotation_interval: '30d' })
      await expect(keys.rotate(hashKey(key), 'holder')).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('not due'),
      })
      clock.advance(30 * 24 * hour)
      // Nobody has fetched the next one: an outage is what rotation must not be.
      expect(await admitted(key)).toBe(hashKey(key))
      const rotated = await keys.rotate(hashKey(key), 'holder')
      expect(rotated).toMatchObject({
        rotation_count: 1,
        key_rotation_at: new Date(clock.now() + 30 * 24 * hour).toISOString(),
      })
      expect([await admitted(key), await admitted(rotated.key)]).toEqual([rotated.token, rotated.token])
      clock.advance(24 * hour)
      expect([await admitted(key), await admitted(rotated.key)]).toEqual(['KEY_EXPIRED', rotated.token])
      await expect(keys.rotate(rotated.token, 'holder')).rejects.toMatchObject({ code: 'CONFLICT' })
    })

    it('is not for a key that was replaced, however long it goes on', async () => {
      const key = await make({ auto_rotate: true, rotation_interval: '1h' })
      clock.advance(hour)
      const rotated = await keys.rotate(hashKey(key), 'holder')
      clock.advance(hour)
      expect(await admitted(key)).toBe(rotated.token)
      await expect(keys.rotate(hashKey(key), 'holder')).rejects.toMatchObject({
        code: 'CONFLICT',
        message: 'This key was replaced; use its successor.',
      })
      expect(await keys.rotate(rotated.token, 'holder')).toMatchObject({ rotation_count: 2 })
    })

    it('is for keys that ask for it', async () => {
      const key = await make({ rotation_interval: '1h' })
      clock.advance(hour)
      await expect(keys.rotate(hashKey(key), 'holder')).rejects.toMatchObject({ code: 'CONFLICT' })
    })

    it('counts its interval from when that was said, and stops counting when it is taken back', async () => {
      const token = hashKey(await make())
      const on = await keys.update({ key: token, auto_rotate: true, rotation_interval: '1h' }, 'bob')
      expect(on).toMatchObject({
        key_rotation_at: new Date(clock.now() + hour).toISOString(),
        warnings: [expect.stringContaining('/key/rotate')],
      })
      clock.advance(hour / 2)
      const same = await keys.update({ key: token, auto_rotate: true, max_budget: 1 }, 'bob')
      expect(same.key_rotation_at).toBe(on.key_rotation_at)
      await expect(keys.update({ key: token, auto_rotate: false }, 'bob')).resolves.toMatchObject({
        key_rotation_at: null,
      })
    })
  })
})
