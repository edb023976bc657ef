import { GatewayError, silentLogger } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { expect, it, vi } from 'vitest'
import { listingOf } from '../catalog/listing.ts'
import { serverOf, toolsNamed } from '../fake-world.fixture.ts'
import type { JudgedDefinition, ToolDefinitions } from './tool-definitions.ts'
import { createToolTrust } from './tool-trust.ts'

/** A store in memory that can be away. */
function fakeStore(): ToolDefinitions & { away: boolean; readonly kept: JudgedDefinition[] } {
  const kept: JudgedDefinition[] = []
  const store = {
    away: false,
    kept,
    async load() {
      refuse()
      return [...kept]
    },
    async observe(_serverId: string, seen: readonly { name: string; hash: string }[]) {
      refuse()
      const first = kept.length === 0
      kept.push(
        ...seen.map(({ name, hash }) => ({
          name,
          hash,
          verdict: first ? ('approved' as const) : ('pending' as const),
        })),
      )
      return { first, definitions: [...kept] }
    },
    records: async () => [],
    decide: async () => [],
    forget: async () => {},
    async changedSince() {
      refuse()
      return { changes: [], complete: true, mark: new Date(0) }
    },
  }
  const refuse = () => {
    if (store.away) throw new GatewayError('STORE_UNAVAILABLE', 'away')
  }
  return store
}

const server = serverOf({ id: 'files', toolPinning: 'hold' })
const listOf = (...names: readonly string[]) => listingOf('tools', toolsNamed(...names))

it('holds everything until the store has said what was approved, and then asks nobody again', async () => {
  const store = fakeStore()
  const clock = fakeClock()
  const trust = createToolTrust({ store, feed: { listen: async () => async () => {} }, clock, log: silentLogger })
  store.away = true
  await trust.start()
  const listing = await trust.observe(server, listOf('read', 'write'))
  expect(trust.review(server, listing)).toMatchObject({ items: [], held: [{ name: 'read' }, { name: 'write' }] })

  store.away = false
  clock.advance(1_000)
  await vi.waitFor(() => expect(trust.review(server, listing)).toMatchObject({ held: [], items: [{}, {}] }))

  // What was approved goes on; what is new is not known to be.
  store.away = true
  const changed = await trust.observe(server, listOf('read', 'write', 'delete'))
  expect([...trust.review(server, changed).byName.keys()]).toEqual(['read', 'write'])
  expect(trust.review(server, changed).held).toMatchObject([{ name: 'delete' }])
  await trust.close()
})

it('holds a definition that cannot be compared, and only that one', async () => {
  const trust = createToolTrust({
    store: fakeStore(),
    feed: { listen: async () => async () => {} },
    clock: fakeClock(),
    log: silentLogger,
  })
  const huge = { name: 'huge', description: 'x'.repeat(2 * 1024 * 1024), inputSchema: { type: 'object' } }
  const listing = await trust.observe(server, listingOf('tools', [huge, ...toolsNamed('read')]))
  expect(trust.review(server, listing)).toMatchObject({ items: [{ name: 'read' }], held: [{ name: 'huge' }] })
})

it('lets no older answer of the store take the place of a decision', async () => {
  const store = fakeStore()
  const answered = Promise.withResolvers<void>()
  const slowStore: ToolDefinitions = {
    ...store,
    async observe(serverId, seen) {
      const answer = await store.observe(serverId, seen)
      if (store.kept.length > 1) await answered.promise
      return answer
    },
  }
  const options = { feed: { listen: async () => async () => {} }, clock: fakeClock(), log: silentLogger }
  const trust = createToolTrust({ ...options, store: slowStore })
  await trust.observe(server, listOf('read'))

  const observing = trust.observe(server, listOf('read', 'write'))
  await vi.waitFor(() => expect(store.kept).toHaveLength(2))
  store.kept.splice(0, 2, ...store.kept.map((definition) => ({ ...definition, verdict: 'approved' as const })))
  const refreshing = trust.refresh(server.id)
  answered.resolve()
  await refreshing
  expect(trust.review(server, await observing)).toMatchObject({ items: [{}, {}], held: [] })
})
