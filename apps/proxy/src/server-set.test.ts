import { createAddressGuard, type Logger, Secret, silentLogger } from '@toolgate/core'
import { type McpServerRow, storeUnavailable } from '@toolgate/db'
import { createRegistry, type StoredServers } from '@toolgate/manager'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import { load, serverOptions } from './config/server-options.fixture.ts'
import { toServerDefinitions } from './config/servers.ts'
import { createServerSet } from './server-set.ts'
import { createBuildStored } from './stored-servers/build-stored.ts'

const row = (id: string, over: Partial<McpServerRow> = {}): McpServerRow => ({
  id,
  name: id,
  alias: null,
  settings: { url: 'https://example.com/mcp' },
  sealedSecrets: null,
  createdAt: new Date(1),
  createdBy: 'ann',
  updatedAt: new Date(1),
  updatedBy: 'ann',
  ...over,
})

/** A store of which the test says what it holds and whether it answers. */
function fakeStore(...first: readonly McpServerRow[]) {
  const state = { rows: new Map(first.map((each) => [each.id, each])), away: false, changed: new Map<string, Date>() }
  const ask = async <Answer>(answer: () => Answer): Promise<Answer> => {
    if (state.away) throw storeUnavailable(new Error('away'))
    return answer()
  }
  const store: StoredServers = {
    list: () => ask(() => [...state.rows.values()]),
    find: (ids) => ask(() => ids.flatMap((id) => state.rows.get(id) ?? [])),
    changedSince: (mark) =>
      ask(() => ({
        changes: mark === undefined ? [] : [...state.changed].map(([id, at]) => ({ id, at })),
        complete: true,
        mark: new Date(1),
      })),
    insert: () => Promise.reject(new Error('not asked')),
    update: () => Promise.reject(new Error('not asked')),
    remove: () => Promise.reject(new Error('not asked')),
  }
  return { state, store }
}

function setOver(store: StoredServers, { config = '{}', log = silentLogger }: { config?: string; log?: Logger } = {}) {
  const clock = fakeClock()
  const retired: string[] = []
  let replaced = 0
  const registry = createRegistry({
    onRetire: (id) => void retired.push(id),
    onReplace: () => void (replaced += 1),
  })
  const set = createServerSet({
    registry,
    store,
    feed: { listen: async () => async () => {} },
    seal: { seal: async () => '', open: async () => new Secret('{}') },
    build: createBuildStored({ servers: serverOptions, guard: createAddressGuard() }),
    fromConfig: (loaded) => ({
      servers: toServerDefinitions(loaded, loaded.environment, serverOptions).declared,
      problems: [],
    }),
    loaded: load(config),
    onConfig() {},
    clock,
    log,
  })
  const names = () => registry.list().map(({ name }) => name)
  return { set, registry, clock, retired, names, replaced: () => replaced }
}

describe('the set of servers', () => {
  it('wakes nobody while a poll finds the same deleted row again and again', async () => {
    const { store, state } = fakeStore(row('a'), row('b'))
    const { set, names, replaced } = setOver(store)
    await set.start()
    state.rows.delete('b')
    await set.refresh(['b'])
    const swaps = replaced()
    expect(names()).toEqual(['a'])
    for (let poll = 0; poll < 10; poll += 1) await set.refresh(['b'])
    await set.refresh(['a'])
    expect(replaced()).toBe(swaps)
    state.rows.set('b', row('b'))
    await set.refresh(['b'])
    expect([names(), replaced()]).toEqual([['a', 'b'], swaps + 1])
    await set.close()
  })

  it('does not start without the store', async () => {
    const { store, state } = fakeStore(row('a'))
    state.away = true
    const { set } = setOver(store)
    await expect(set.start()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('goes on with what it knows while the store is away, says so once, and catches up by polling', async () => {
    const { store, state } = fakeStore(row('a'), row('b'))
    const warn = vi.fn<Logger['warn']>()
    const { set, clock, names } = setOver(store, { log: { ...silentLogger, warn } })
    await set.start()
    expect(names()).toEqual(['a', 'b'])
    state.away = true
    for (let second = 0; second < 5; second += 1) {
      clock.advance(1_000)
      await expect(set.refresh(['a'])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    }
    expect(names()).toEqual(['a', 'b'])
    expect(warn).toHaveBeenCalledTimes(1)
    state.away = false
    state.rows.delete('a')
    state.rows.set('c', row('c', { createdAt: new Date(5), updatedAt: new Date(5) }))
    state.changed = new Map([
      ['a', new Date(4)],
      ['c', new Date(5)],
    ])
    await vi.waitFor(() => {
      clock.advance(1_000)
      expect(names()).toEqual(['b', 'c'])
    })
    await set.close()
    expect(clock.pending).toBe(0)
  })

  it('gives up no server that means the same, whoever writes it again and whatever is reloaded', async () => {
    const { store, state } = fakeStore(row('a'), row('b'))
    const config = 'mcp_servers: {filed: {url: https://example.com/filed}}'
    const { set, registry, retired } = setOver(store, { config })
    await set.start()
    const before = registry.list()
    state.rows.set('a', row('a', { updatedAt: new Date(9), updatedBy: 'bob' }))
    await set.refresh(['a'])
    set.useConfig(load(`${config}\nvirtual_keys: []`))
    expect(registry.list()).toEqual(before)
    for (const [index, server] of registry.list().entries()) expect(server).toBe(before[index])
    expect(retired).toEqual([])
    set.useConfig(load(config, { LITELLM_MCP_CLIENT_TIMEOUT: '7' }))
    expect(retired).toHaveLength(3)
    set.useConfig(load('{}', { LITELLM_MCP_CLIENT_TIMEOUT: '7' }))
    expect(registry.list().map(({ name }) => name)).toEqual(['a', 'b'])
    await set.close()
  })

  it('lets the file take a name back, and gives it up with the file', async () => {
    const { store } = fakeStore(row('a'), row('b'))
    const { set, registry } = setOver(store)
    await set.start()
    set.useConfig(load('mcp_servers: {a: {url: https://example.com/filed}}'))
    expect(registry.find('a')?.origin).toBe('config')
    expect(set.stored().find(({ row: { id } }) => id === 'a')?.reason).toContain('configuration file')
    set.useConfig(load('{}'))
    expect(registry.find('a')?.origin).toBe('stored')
    expect(set.stored().map(({ reason }) => reason)).toEqual([undefined, undefined])
    await set.close()
  })
})
