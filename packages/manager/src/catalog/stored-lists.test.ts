import { GatewayError, type JsonObject, type Logger } from '@toolgate/core'
import { callerOf } from '@toolgate/testing/callers'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it } from 'vitest'
import { serverOf, targetOf, toolsNamed, type World, worldOf } from '../fake-world.fixture.ts'
import { defaultCatalogTiming } from './catalog.ts'
import { digestList, sourceOf } from './list-digest.ts'
import type { ListStore, ObservedList, StoredList } from './list-store.ts'
import { defaultWriterTiming } from './list-writer.ts'
import { listingOf } from './listing.ts'

const notes = serverOf({ id: 'notes' })
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
const away = () => new GatewayError('STORE_UNAVAILABLE', 'The database of the gateway cannot be reached.')
const listedAt = new Date('2025-12-31T23:00:00Z')

/** A store in memory that can be away, and remembers what it was told. */
function fakeStore(...stored: StoredList[]) {
  const state: { failure: Error | undefined } = { failure: undefined }
  const saved: ObservedList[] = []
  const attempts: ObservedList[] = []
  const forgotten: string[] = []
  const store: ListStore = {
    async load(serverIds) {
      if (state.failure !== undefined) throw state.failure
      return stored.filter(({ serverId }) => serverIds.includes(serverId))
    },
    async save(list) {
      attempts.push(list)
      if (state.failure !== undefined) throw state.failure
      const changed = saved.findLast(({ kind }) => kind === list.kind)?.hash !== list.hash
      saved.push(list)
      return { version: saved.length, changed }
    },
    versions: async () => [],
    forget: async (serverId) => void forgotten.push(serverId),
  }
  const namesSaved = () => saved.map(({ items }) => items.map(({ name }) => name))
  return { store, state, saved, attempts, forgotten, namesSaved }
}

function storedTools(overrides: Partial<StoredList> = {}): StoredList {
  const base = { serverId: 'notes', kind: 'tools', version: 7, hash: 'h', listedAt, isPrivate: false } as const
  return { ...base, source: sourceOf(notes), definitions: toolsNamed('kept'), ...overrides }
}

function recordingLog() {
  const lines: string[] = []
  const write = (_: object, message: string) => void lines.push(message)
  const log: Logger = { debug: write, info: write, warn: write, error: write }
  return { log, lines }
}

/** A server whose tools and mood the test changes. */
function changing(...tools: string[]) {
  const state: { tools: readonly JsonObject[]; down: boolean } = { tools: toolsNamed(...tools), down: false }
  const answer = async ({ method, params }: { method: string; params: JsonObject }): Promise<JsonObject> => {
    if (!method.endsWith('/list')) return { server: 'notes', method, params }
    if (state.down) throw new GatewayError('UPSTREAM_UNREACHABLE', 'MCP server "notes" cannot be reached.')
    return { tools: [...state.tools] }
  }
  return { state, answer }
}

const offerOf = (world: World) => world.gateway.list(callerOf(), { kind: 'tools' })

/** Lets a list that waits be digested and written. */
const written = async () => {
  for (let turn = 0; turn < 5; turn += 1) await settled()
}

/** Later, by the clock on the wall, than what an attempt before it would answer; nothing falls due. */
const probed = (world: World) => {
  world.clock.jump(1_000)
  return world.catalog.probe(notes, callerOf().signal, { despiteCircuit: true })
}

const refreshed = async (world: World) => {
  world.clock.advance(defaultCatalogTiming.ttlMs + 2 * defaultCatalogTiming.sweepMs)
  await written()
}

describe('what is written', () => {
  it('is each list that changed, once, and an unchanged one only now and then', async () => {
    const { store, saved, namesSaved } = fakeStore()
    const server = changing('a')
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store })
    await world.catalog.start()
    await written()
    expect(saved).toMatchObject([{ serverId: 'notes', kind: 'tools', items: [{ name: 'a' }] }])
    expect(world.catalog.version('notes', 'tools')).toBe(1)
    // A reading that was asked for, and finds the same.
    await probed(world)
    await written()
    expect(saved).toHaveLength(1)
    server.state.tools = toolsNamed('a', 'b')
    await probed(world)
    await written()
    expect(namesSaved()).toEqual([['a'], ['a', 'b']])
    await refreshed(world)
    expect(saved).toHaveLength(3)
    expect(saved[2]?.listedAt.getTime()).toBeGreaterThan(
      (saved[1]?.listedAt.getTime() ?? 0) + defaultWriterTiming.touchMs,
    )
    await world.catalog.close()
    expect(world.clock.pending).toBe(0)
  })

  it('is the service’s own list, never a caller’s', async () => {
    const { store, saved } = fakeStore()
    const forDiscovery = async () => {
      throw new GatewayError('UPSTREAM_SIGN_IN_REQUIRED', 'users only')
    }
    const forCaller = async () => ({
      type: 'bearer_token',
      scope: { kind: 'holder', holder: 'ada' } as const,
      headers: () => new Map(),
      rejected: () => false,
    })
    const server = changing('of-ada')
    const world = worldOf({
      servers: [notes],
      upstreams: { notes: server },
      store,
      credentials: { forDiscovery, forCaller },
    })
    expect((await offerOf(world)).items).toHaveLength(1)
    await written()
    expect(saved).toEqual([])
  })

  it('fails no list while the store is away, says so once, and is the latest when it is back', async () => {
    const { store, state, attempts, namesSaved } = fakeStore()
    const { log, lines } = recordingLog()
    const server = changing('first')
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store, log })
    state.failure = away()
    await world.catalog.start()
    for (const name of ['second', 'third']) {
      server.state.tools = toolsNamed(name)
      await probed(world)
      await written()
      expect((await offerOf(world)).items.map(({ publicName }) => publicName)).toEqual([`notes-${name}`])
    }
    for (let pause = 0; pause < 5; pause += 1) {
      world.clock.advance(defaultWriterTiming.maxRetryMs)
      await written()
    }
    expect(attempts.length).toBeGreaterThan(3)
    state.failure = undefined
    world.clock.advance(defaultWriterTiming.maxRetryMs)
    await written()
    expect(namesSaved()).toEqual([['third']])
    expect(lines.filter((line) => line.includes('cannot be stored'))).toHaveLength(1)
    expect(lines.filter((line) => line.includes('stored again'))).toHaveLength(1)
    await world.catalog.close()
  })

  it('goes on with other lists when the store refuses one', async () => {
    const { store, state, namesSaved } = fakeStore()
    const { log, lines } = recordingLog()
    const server = changing('a')
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store, log })
    state.failure = new Error('syntax error')
    await world.catalog.start()
    await written()
    expect(lines).toContain('list could not be stored')
    state.failure = undefined
    await probed(world)
    await written()
    expect(namesSaved()).toEqual([['a']])
    await world.catalog.close()
  })

  it.each<[string, JsonObject[]]>([
    ['5242880 bytes', [{ name: 'big', description: 'x'.repeat(6 * 1024 * 1024) }]],
    ['a name that is too long', [{ name: 'n'.repeat(2_000) }]],
    ['characters that Postgres cannot hold', [{ name: 'nul', description: 'a\0b' }]],
    ['characters that Postgres cannot hold', [{ name: 'half', description: 'a\ud800b' }]],
  ])('is no list beyond the bounds of the store: %s', async (reason, tools) => {
    expect(await digestList(listingOf('tools', tools))).toEqual({ ok: false, reason: expect.stringContaining(reason) })
    const { store, attempts } = fakeStore()
    const { log, lines } = recordingLog()
    const server = changing()
    server.state.tools = tools
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store, log })
    await world.catalog.start()
    await refreshed(world)
    expect((await offerOf(world)).items).toHaveLength(1)
    expect(attempts).toEqual([])
    expect(lines.filter((line) => line === 'list is not stored')).toHaveLength(1)
    await world.catalog.close()
  })

  it('keeps what only looks like an escape', async () => {
    const tools = [{ name: 'path', description: String.raw`C:\u0000 \\u0000` }]
    expect(await digestList(listingOf('tools', tools))).toMatchObject({ ok: true })
  })

  it('is nothing of a server that was removed while it was being read, and nothing of one that is forgotten', async () => {
    const { store, saved, forgotten } = fakeStore()
    const { promise, resolve } = Promise.withResolvers<JsonObject>()
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer: () => promise } }, store })
    const probing = probed(world)
    await settled()
    world.registry.replace([])
    await world.catalog.forget('notes')
    resolve({ tools: toolsNamed('late') })
    await probing
    await written()
    expect(saved).toEqual([])
    expect(forgotten).toEqual(['notes'])
  })

  it('is no longer known of a server that has gone', async () => {
    const world = worldOf({ servers: [notes], upstreams: { notes: changing('a') }, store: fakeStore().store })
    await world.catalog.start()
    await written()
    expect(world.catalog.version('notes', 'tools')).toBe(1)
    world.registry.replace([])
    world.clock.advance(defaultCatalogTiming.sweepMs)
    expect(world.catalog.version('notes', 'tools')).toBeUndefined()
    await world.catalog.close()
  })
})

describe('what is there after a restart', () => {
  it('is the list of a server that is down, stale, with its reason and its age; its bare names can be called', async () => {
    const server = changing()
    server.state.down = true
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store: fakeStore(storedTools()).store })
    await world.catalog.start()
    const { items, outcomes } = await offerOf(world)
    expect(items.map(({ publicName }) => publicName)).toEqual(['notes-kept'])
    const message = 'MCP server "notes" cannot be reached.'
    expect(outcomes).toMatchObject([
      { status: 'stale', message, listedAt: listedAt.getTime(), ageMs: world.clock.now() - listedAt.getTime() },
    ])
    expect(world.catalog.version('notes', 'tools')).toBe(7)
    expect(targetOf(await world.call(callerOf(), 'kept'))).toBe('notes/kept')
    await expect(world.call(callerOf(), 'other')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })

    server.state.down = false
    server.state.tools = toolsNamed('fresh')
    await refreshed(world)
    const later = await offerOf(world)
    expect(later.items.map(({ publicName }) => publicName)).toEqual(['notes-fresh'])
    expect(later.outcomes).toEqual([{ serverId: 'notes', serverName: 'notes', status: 'ok' }])
    await world.catalog.close()
  })

  it('serves at once while its server hangs, and the start waits for the store and not for the server', async () => {
    const world = worldOf({
      servers: [notes],
      upstreams: { notes: { answer: () => new Promise<JsonObject>(() => {}) } },
      store: fakeStore(storedTools()).store,
    })
    const started = world.catalog.start()
    await settled()
    const { items, outcomes } = await offerOf(world)
    expect(items).toHaveLength(1)
    expect(outcomes).toMatchObject([{ status: 'stale', message: expect.stringContaining('not asked yet') }])
    // Nobody asked it, so nothing is known of its health.
    expect(world.catalog.last(notes)).toBeUndefined()
    world.clock.advance(defaultCatalogTiming.warmUpMs)
    await started
    await world.catalog.close()
  })

  it('is nothing that came from another address, and nothing that is no list', async () => {
    const elsewhere = storedTools({ source: sourceOf(serverOf({ id: 'notes', address: 'fake://elsewhere' })) })
    const server = changing()
    server.state.down = true
    const moved = worldOf({ servers: [notes], upstreams: { notes: server }, store: fakeStore(elsewhere).store })
    await moved.catalog.start()
    expect(await offerOf(moved)).toMatchObject({ items: [], outcomes: [{ status: 'unreachable' }] })
    await moved.catalog.close()

    const { log, lines } = recordingLog()
    const definitions = ['text', null, { no: 'name' }, { name: 'odd', inputSchema: 7 }, ...toolsNamed('good')]
    const broken = fakeStore(storedTools({ definitions })).store
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store: broken, log })
    await world.catalog.start()
    expect((await offerOf(world)).items.map(({ publicName }) => publicName)).toEqual(['notes-good'])
    expect(lines.filter((line) => line.includes('left out'))).toHaveLength(1)
    await world.catalog.close()
  })

  it('comes later where the store is away at the start, which goes on without', async () => {
    const { store, state } = fakeStore(storedTools())
    const { log, lines } = recordingLog()
    const server = changing()
    server.state.down = true
    const world = worldOf({ servers: [notes], upstreams: { notes: server }, store, log })
    state.failure = away()
    await world.catalog.start()
    expect(await offerOf(world)).toMatchObject({ items: [], outcomes: [{ status: 'unreachable' }] })
    world.clock.advance(defaultCatalogTiming.sweepMs)
    await settled()
    state.failure = undefined
    world.clock.advance(defaultCatalogTiming.sweepMs)
    await settled()
    expect(await offerOf(world)).toMatchObject({
      items: [{ publicName: 'notes-kept' }],
      outcomes: [{ status: 'stale' }],
    })
    expect(lines.filter((line) => line.includes('could not be read yet'))).toHaveLength(1)
    await world.catalog.close()
  })

  it('is there as well for a server that is added, or changed, while the gateway runs', async () => {
    const server = changing()
    server.state.down = true
    const world = worldOf({ servers: [], upstreams: { notes: server }, store: fakeStore(storedTools()).store })
    await world.catalog.start()
    for (const revision of ['1', '2']) {
      world.registry.replace([serverOf({ id: 'notes', revision })])
      world.clock.advance(defaultCatalogTiming.sweepMs)
      await settled()
      expect((await offerOf(world)).items.map(({ publicName }) => publicName)).toEqual(['notes-kept'])
    }
    await world.catalog.close()
  })
})

it('hash and canonical order: equal lists are equal, whatever the order of their keys and items', async () => {
  const one = await digestList(
    listingOf('tools', [{ name: 'a', b: { c: 1, d: [1, { e: null, f: 'x' }] } }, { name: 'z' }]),
  )
  const other = await digestList(
    listingOf('tools', [{ name: 'z' }, { b: { d: [1, { f: 'x', e: null }], c: 1 }, name: 'a' }]),
  )
  const different = await digestList(
    listingOf('tools', [{ name: 'a', b: { c: 1, d: [{ e: null, f: 'x' }, 1] } }, { name: 'z' }]),
  )
  expect(one.ok && other.ok && one.hash === other.hash).toBe(true)
  expect(one.ok && different.ok && one.hash === different.hash).toBe(false)
  expect(fakeClock().pending).toBe(0)
})
