import { fakeClock } from '@toolgate/testing/fake-clock'
import { describeOnStores, type TestStore } from '@toolgate/testing/database'
import { countingIds } from '@toolgate/testing/llm-loop'
import { beforeAll, expect, it } from 'vitest'
import { createPostgresRecordStore } from './record-store.postgres.ts'
import type { ClaimedNames, RecordBounds, RecordStore } from './record-store.ts'

describeOnStores('the store of conversation records', (openStore) => {
  let opened: TestStore
  const newId = countingIds()
  const clock = fakeClock()
  beforeAll(async () => {
    opened = await openStore()
  })

  const storeWith = (bounds: Partial<RecordBounds> = {}) =>
    createPostgresRecordStore({ db: opened.database.db, clock, newId, bounds })
  const turn = (owner: string, names: string[], value: unknown = names) =>
    ({ owner, kind: 'turn', names, value, lifetimeMs: 1_000 }) as const
  const valuesOf = async (owner: string, ...names: string[]) =>
    (await storeWith().find({ owner, kind: 'turn', names })).map(({ value }) => value)

  it('finds by any name, for the owner alone, whatever text is in it', async () => {
    const value = [{ text: 'NUL \u0000 and half a character \ud800', n: null }]
    await storeWith().save(turn('alice', ['c1', 'c2'], value))
    expect(await valuesOf('alice', 'c2', 'other')).toEqual([value])
    expect(await valuesOf('bob', 'c1')).toEqual([])
    expect(await storeWith().find({ owner: 'alice', kind: 'response', names: ['c1'] })).toEqual([])
  })

  it('is read by another gateway', async () => {
    await storeWith().save(turn('alice', ['shared']))
    const other = createPostgresRecordStore({ db: (await opened.openAgain()).db, clock, newId })
    expect(await other.find({ owner: 'alice', kind: 'turn', names: ['shared'] })).toHaveLength(1)
  })

  it('forgets what has expired, and what was removed', async () => {
    await storeWith().save(turn('carol', ['old']))
    clock.advance(999)
    expect(await valuesOf('carol', 'old')).toHaveLength(1)
    clock.advance(1)
    expect(await valuesOf('carol', 'old')).toEqual([])
    await storeWith().save(turn('carol', ['gone']))
    expect(await storeWith().remove({ owner: 'carol', kind: 'turn', names: ['gone'] })).toBe(true)
    expect(await storeWith().remove({ owner: 'carol', kind: 'turn', names: ['gone'] })).toBe(false)
    expect(await valuesOf('carol', 'gone')).toEqual([])
  })

  it.each<[Partial<RecordBounds>]>([[{ maxRecords: 2 }], [{ maxTotalSize: 14 }]])(
    'keeps an owner within %j, and others out of it',
    async (bounds) => {
      const owner = JSON.stringify(bounds)
      const names = ['a1', 'a2', 'a3'].map((name) => `${name}-${owner.length}`)
      await storeWith().save(turn('neighbour', [owner]))
      for (const name of names) {
        await storeWith(bounds).save(turn(owner, [name], 'sized'))
        clock.advance(1)
      }
      const left = (await storeWith().find({ owner, kind: 'turn', names })).flatMap((record) => record.names)
      expect(left).toEqual(names.slice(1))
      expect(await valuesOf('neighbour', owner)).toHaveLength(1)
    },
  )

  const claiming = (owner: string, name: string) =>
    ({ owner, kind: 'approval', names: [name], lifetimeMs: 1_000 }) as const

  const claim = async (store: RecordStore, claimed: ClaimedNames) => (await store.claim(claimed)).size === 1

  it('gives a claimed name to the first alone, of all gateways and at the same time', async () => {
    const other = createPostgresRecordStore({ db: (await opened.openAgain()).db, clock, newId })
    const claims = [storeWith(), other, storeWith(), other].map((store) => claim(store, claiming('erin', 'once')))
    expect((await Promise.all(claims)).filter((given) => given)).toHaveLength(1)
    expect(await claim(other, claiming('erin', 'once'))).toBe(false)
    for (const owner of ['frank', 'erin ']) expect(await claim(storeWith(), claiming(owner, 'once'))).toBe(true)
    expect(await claim(storeWith(), { ...claiming('erin', 'once'), kind: 'turn' })).toBe(true)
  })

  it('claims those of several names that do not stand yet, all of them or none', async () => {
    const several = (...names: string[]) => ({ ...claiming('heidi', ''), names })
    expect(await storeWith().claim(several('b', 'a'))).toEqual(new Set(['a', 'b']))
    expect(await storeWith().claim(several('c', 'b', 'd', 'c'))).toEqual(new Set(['c', 'd']))
    expect(await storeWith().claim(several())).toEqual(new Set())
    await expect(storeWith().claim(several('e', 'f \u0000'))).rejects.toBeInstanceOf(Error)
    expect(await storeWith().claim(several('e'))).toEqual(new Set(['e']))
  })

  it('keeps a claim for its lifetime, and within the bound of its owner', async () => {
    const bounded = storeWith({ maxClaims: 2 })
    expect(await claim(bounded, claiming('grace', 'long'))).toBe(true)
    clock.advance(999)
    expect(await claim(bounded, claiming('grace', 'long'))).toBe(false)
    clock.advance(1)
    await storeWith().save(turn('anybody', ['who sweeps']))
    expect(await claim(bounded, claiming('grace', 'long'))).toBe(true)
    for (const name of ['second', 'third']) {
      clock.advance(1)
      expect(await claim(bounded, claiming('grace', name))).toBe(true)
    }
    expect(await claim(bounded, claiming('grace', 'third'))).toBe(false)
    expect(await claim(bounded, claiming('grace', 'long'))).toBe(true)
  })

  it('does not keep what is too large', async () => {
    await storeWith({ maxSize: 10 }).save(turn('dave', ['large'], 'more than ten'))
    expect(await valuesOf('dave', 'large')).toEqual([])
  })
})
