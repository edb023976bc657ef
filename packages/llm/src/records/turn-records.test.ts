import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it } from 'vitest'
import { createTurnRecords } from './turn-records.ts'

const record = (owner: string, ...callIds: string[]) => ({ owner, callIds, appended: [{ role: 'tool', content: 'x' }] })

describe('turn records', () => {
  it('are found by any of their calls, by their owner alone', async () => {
    const records = createTurnRecords({ clock: fakeClock() })
    await records.save(record('alice', 'c1', 'c2'))
    expect((await records.find('alice', ['c1'])).get('c1')).toEqual([{ role: 'tool', content: 'x' }])
    expect((await records.find('alice', ['c2'])).get('c2')).toBeDefined()
    expect((await records.find('bob', ['c1'])).get('c1')).toBeUndefined()
  })

  it('expire when they were not used for their lifetime', async () => {
    const clock = fakeClock()
    const records = createTurnRecords({ clock, bounds: { lifetimeMs: 100 } })
    await records.save(record('alice', 'c1'))
    clock.advance(99)
    expect((await records.find('alice', ['c1'])).get('c1')).toBeDefined()
    clock.advance(99)
    expect((await records.find('alice', ['c1'])).get('c1')).toBeDefined()
    clock.advance(100)
    expect((await records.find('alice', ['c1'])).get('c1')).toBeUndefined()
  })

  it('of one owner evict only that owner’s, the least recently used first', async () => {
    const records = createTurnRecords({ clock: fakeClock(), bounds: { maxRecordsPerOwner: 2 } })
    await records.save(record('bob', 'b'))
    for (const id of ['c1', 'c2']) await records.save(record('alice', id))
    await records.find('alice', ['c1'])
    await records.save(record('alice', 'c3'))
    expect((await records.find('alice', ['c2'])).get('c2')).toBeUndefined()
    expect((await records.find('alice', ['c1'])).get('c1')).toBeDefined()
    expect((await records.find('bob', ['b'])).get('b')).toBeDefined()
  })

  it.each([{ maxRecords: 2 }, { maxTotalSize: 70 }])('stay within %j', async (bounds) => {
    const records = createTurnRecords({ clock: fakeClock(), bounds })
    for (const owner of ['a', 'b', 'c']) await records.save(record(owner, 'c1'))
    expect((await records.find('a', ['c1'])).get('c1')).toBeUndefined()
    expect((await records.find('b', ['c1'])).get('c1')).toBeDefined()
    expect((await records.find('c', ['c1'])).get('c1')).toBeDefined()
  })
})
