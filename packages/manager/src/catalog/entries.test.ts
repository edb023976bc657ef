import { expect, it } from 'vitest'
import { serverOf } from '../fake-world.fixture.ts'
import { createEntries } from './entries.ts'
import { outcome } from './outcome.ts'

const server = serverOf({ id: 's' })
const entry = {
  server,
  kind: 'tools',
  outcome: outcome(server, 'ok'),
  listing: undefined,
  dueAt: 0,
  edition: 0,
} as const
const bounded = () => createEntries({ maxHolders: 2, maxPerHolder: 3 })

it('lets a holder beyond its quota evict only its own', () => {
  const entries = bounded()
  entries.set({ key: 'k', holder: undefined }, entry)
  entries.set({ key: 'k', holder: 'ada' }, entry)
  for (const key of ['1', '2', '3', '4']) entries.set({ key, holder: 'bob' }, entry)
  expect(entries.get({ key: '1', holder: 'bob' })).toBeUndefined()
  expect(entries.get({ key: '2', holder: 'bob' })).toBe(entry)
  expect(entries.get({ key: 'k', holder: 'ada' })).toBe(entry)
  expect(entries.get({ key: 'k', holder: undefined })).toBe(entry)
})

it('forgets the holder longest without a new list, and never what is shared', () => {
  const entries = bounded()
  for (const holder of [undefined, 'ada', 'bob', 'ada', 'eve']) entries.set({ key: 'k', holder }, entry)
  expect(entries.get({ key: 'k', holder: 'bob' })).toBeUndefined()
  for (const holder of [undefined, 'ada', 'eve']) expect(entries.get({ key: 'k', holder })).toBe(entry)
})

it('keeps one holder’s entry from another, and from everybody', () => {
  const entries = bounded()
  entries.set({ key: 'k', holder: 'ada' }, entry)
  expect(entries.get({ key: 'k', holder: 'bob' })).toBeUndefined()
  expect(entries.get({ key: 'k', holder: undefined })).toBeUndefined()
})

it('makes every list due that was read before its server announced a change, at the cost of one', () => {
  const entries = bounded()
  for (const holder of [undefined, 'ada', 'bob']) entries.set({ key: 'k', holder }, { ...entry, dueAt: 1_000 })
  const due = () =>
    [undefined, 'ada', 'bob'].map((holder) => {
      const kept = entries.get({ key: 'k', holder })
      return kept !== undefined && entries.isDue(kept, 0)
    })
  entries.outdate('s', 'prompts')
  entries.outdate('other', 'tools')
  expect(due()).toEqual([false, false, false])
  entries.outdate('s', 'tools')
  expect(due()).toEqual([true, true, true])
  entries.set({ key: 'k', holder: 'ada' }, { ...entry, dueAt: 1_000, edition: entries.edition('s', 'tools') })
  expect(due()).toEqual([true, false, true])
})

it('keeps what belongs to the servers that are there, in their revisions', () => {
  const entries = bounded()
  const changed = { ...entry, server: serverOf({ id: 's', revision: '2' }) }
  entries.set({ key: 'old', holder: undefined }, entry)
  entries.set({ key: 'new', holder: undefined }, changed)
  entries.set({ key: 'old', holder: 'ada' }, entry)
  entries.outdate('gone', 'tools')
  entries.retain(new Map([['s', changed.server]]))
  expect([...entries.shared()]).toEqual([changed])
  expect(entries.get({ key: 'old', holder: 'ada' })).toBeUndefined()
  expect(entries.probed('s')).toBe(changed)
  expect(entries.edition('gone', 'tools')).toBe(0)
  entries.retain(new Map())
  expect(entries.probed('s')).toBeUndefined()
})
