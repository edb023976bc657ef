import { expect, it } from 'vitest'
import { serverOf } from '../fake-world.fixture.ts'
import { createEntries } from './entries.ts'
import { outcome } from './outcome.ts'

const server = serverOf({ id: 's' })
const entry = { server, kind: 'tools', outcome: outcome(server, 'ok'), listing: undefined, at: 0, dueAt: 0 } as const
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
