import { expect, it } from 'vitest'
import { serverOf } from '../fake-world.fixture.ts'
import { createRegistry } from './registry.ts'

it('finds a server by id, name and alias, and knows every public prefix', () => {
  const registry = createRegistry()
  registry.replace([serverOf({ id: 'id-1', name: 'git hub', alias: 'gh' })])
  for (const handle of ['id-1', 'git hub', 'gh']) expect(registry.find(handle)).toMatchObject({ id: 'id-1' })
  expect(registry.find('git_hub')).toBeUndefined()
  expect([...registry.prefixes().keys()]).toEqual(['gh', 'git_hub', 'id-1'])
})

it.each([
  ['id', { id: 'a' }],
  ['name', { id: 'z', name: 'b' }],
  ['alias', { id: 'z', alias: 'c' }],
  ['prefix', { id: 'z', prefix: 'b' }],
  ['alias that is another’s name', { id: 'z', alias: 'b' }],
  ['name that reads like another’s in public', { id: 'z', name: 'd e' }],
  ['name too long to be a prefix', { id: 'z', name: 'n'.repeat(300) }],
])('sets the later of two servers aside for its %s, and goes on', (_, clash) => {
  const registry = createRegistry()
  const first = [serverOf({ id: 'a', name: 'b', alias: 'c' }), serverOf({ id: 'd_e' })]
  registry.replace([...first, serverOf(clash), serverOf({ id: 'last' })])
  expect(registry.list().map(({ id }) => id)).toEqual(['a', 'd_e', 'last'])
  expect(registry.quarantined()).toMatchObject([{ server: { id: clash.id }, reason: expect.any(String) }])
  expect(registry.find('b')).toMatchObject({ id: 'a' })
})

it('swaps as a whole and retires exactly what changed or went', () => {
  const retired: [string, string | undefined][] = []
  const registry = createRegistry({ onRetire: (id, revision) => retired.push([id, revision]) })
  registry.replace([serverOf({ id: 'same' }), serverOf({ id: 'changed' }), serverOf({ id: 'gone' })])
  const before = registry.list()
  registry.replace([serverOf({ id: 'new' }), serverOf({ id: 'changed', revision: '2' }), serverOf({ id: 'same' })])
  expect(retired).toEqual([
    ['changed', '2'],
    ['gone', undefined],
  ])
  expect(before.map(({ id }) => id)).toEqual(['same', 'changed', 'gone'])
  expect(registry.list().map(({ id }) => id)).toEqual(['new', 'changed', 'same'])
})

it('keeps the names of servers that were set aside, so that nothing meant for them reaches another', () => {
  const registry = createRegistry()
  registry.replace(
    [
      serverOf({ id: 'a', name: 'git' }),
      serverOf({ id: 'b', name: 'git-hub', alias: 'git' }),
      { names: ['broken one'], ids: ['c'] },
      ...[{ name: 'git-hub' }, { alias: 'broken_one' }, { id: 'c' }].map((over) => serverOf({ id: 'd', ...over })),
      serverOf({ id: 'e' }),
    ],
    ['further'],
  )
  expect(registry.list().map(({ id }) => id)).toEqual(['a', 'e'])
  expect(registry.quarantined().map(({ reason }) => /server "(.*?)"/.exec(reason)?.[1])).toEqual([
    'git',
    'git-hub',
    'broken one',
    'broken one',
  ])
  expect(new Set(registry.handles())).toEqual(
    new Set(['further', 'git', 'git-hub', 'broken one', 'broken_one', 'c', 'd', 'e']),
  )
  expect(registry.handles()).toBe(registry.handles())
})
