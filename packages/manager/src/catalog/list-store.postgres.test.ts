import { serverListItems, serverLists } from '@toolgate/db'
import { describeOnStores, type TestStore } from '@toolgate/testing/database'
import { beforeAll, expect, it } from 'vitest'
import { serverOf, toolsNamed } from '../fake-world.fixture.ts'
import { digestList, sourceOf } from './list-digest.ts'
import { createPostgresListStore } from './list-store.postgres.ts'
import { keptVersions, type ListStore, type ObservedList } from './list-store.ts'
import { listingOf } from './listing.ts'

let lastId = 0
const source = sourceOf(serverOf({ id: 'somewhere' }))

describeOnStores('the store of lists', (openStore) => {
  let opened: TestStore
  let store: ListStore
  beforeAll(async () => {
    opened = await openStore()
    store = createPostgresListStore(opened.database.db)
  })

  /** Saves tools for one server of its own, a second later each time. */
  function serverInStore() {
    lastId += 1
    const serverId = `server-${lastId}`
    let seconds = 0
    const observe = async (tools: Parameters<typeof listingOf>[1], from = source): Promise<ObservedList> => {
      const digested = await digestList(listingOf('tools', tools))
      if (!digested.ok) throw new Error(digested.reason)
      seconds += 1
      const listedAt = new Date(Date.UTC(2026, 0, 1, 0, 0, seconds))
      const { hash, items } = digested
      return { serverId, kind: 'tools', source: from, hash, items, listedAt, isPrivate: true }
    }
    return {
      serverId,
      observe,
      save: async (tools: Parameters<typeof listingOf>[1], from?: string) => store.save(await observe(tools, from)),
      load: async () => (await store.load([serverId]))[0],
      versions: () => store.versions(serverId, keptVersions),
      items: async () => {
        const rows = await opened.database.db.select().from(serverListItems)
        return new Map(rows.filter((row) => row.serverId === serverId).map((row) => [row.name, row]))
      },
    }
  }

  it('gives back what was listed, in the server’s own order, with its time', async () => {
    const server = serverInStore()
    const tools = [
      ...toolsNamed('zebra', 'ant'),
      { name: 'ü', inputSchema: { type: 'object' }, unknown: [1, { a: null }] },
    ]
    expect(await server.save(tools)).toEqual({ version: 1, changed: true })
    expect(await server.load()).toEqual({
      serverId: server.serverId,
      kind: 'tools',
      isPrivate: true,
      source,
      version: 1,
      hash: expect.any(String),
      listedAt: new Date('2026-01-01T00:00:01Z'),
      definitions: tools,
    })
    expect(await store.load(['no-such-server'])).toEqual([])
  })

  it('makes no version of a list that stayed the same, whatever the order of keys and items', async () => {
    const server = serverInStore()
    await server.save([{ name: 'a', inputSchema: { type: 'object', title: 't' } }, ...toolsNamed('b')])
    const again = [...toolsNamed('b'), { inputSchema: { title: 't', type: 'object' }, name: 'a' }]
    expect(await server.save(again)).toEqual({ version: 1, changed: false })
    expect(await server.versions()).toHaveLength(1)
    expect((await server.load())?.listedAt).toEqual(new Date('2026-01-01T00:00:02Z'))
  })

  it('counts a version up for each change and names what changed', async () => {
    const server = serverInStore()
    await server.save(toolsNamed('stays', 'changes', 'goes'))
    const changed = { name: 'changes', description: 'new', inputSchema: { type: 'object' } }
    expect(await server.save([...toolsNamed('comes'), changed, ...toolsNamed('stays')])).toMatchObject({ version: 2 })
    const [newest, first] = await server.versions()
    expect(newest).toEqual({
      kind: 'tools',
      version: 2,
      at: new Date('2026-01-01T00:00:02Z'),
      added: ['comes'],
      changed: ['changes'],
      removed: ['goes'],
    })
    expect(first).toMatchObject({ version: 1, added: ['stays', 'changes', 'goes'], changed: [], removed: [] })
    expect((await server.load())?.definitions).toMatchObject([{ name: 'comes' }, changed, { name: 'stays' }])
  })

  it('remembers when an item was first seen and last changed, also across its absence', async () => {
    const server = serverInStore()
    const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second))
    await server.save(toolsNamed('a', 'b'))
    await server.save(toolsNamed('b'))
    expect((await server.items()).get('a')).toMatchObject({ removedAt: at(2), firstSeenAt: at(1) })
    expect(await server.save(toolsNamed('a', 'b'))).toMatchObject({ version: 3 })
    const items = await server.items()
    expect(items.get('a')).toMatchObject({ removedAt: null, firstSeenAt: at(1), lastChangedAt: at(1), position: 0 })
    expect(items.get('b')).toMatchObject({ firstSeenAt: at(1), lastChangedAt: at(1), position: 1 })
    expect((await server.versions())[0]).toMatchObject({ added: ['a'], removed: [] })
  })

  it('replaces the list of another address altogether, under the next version', async () => {
    const server = serverInStore()
    await server.save(toolsNamed('old', 'both'))
    expect(await server.save(toolsNamed('both', 'new'), 'elsewhere')).toEqual({ version: 2, changed: true })
    expect(await server.load()).toMatchObject({ source: 'elsewhere', definitions: toolsNamed('both', 'new') })
    expect((await server.versions())[0]).toMatchObject({ added: ['both', 'new'], changed: [], removed: ['old'] })
    // Also where the content is the same.
    expect(await server.save(toolsNamed('both', 'new'), source)).toEqual({ version: 3, changed: true })
  })

  it('gives every content a version of its own when many gateways save at once', async () => {
    const server = serverInStore()
    const other = createPostgresListStore((await opened.openAgain()).db)
    const contents = Array.from({ length: 12 }, (_, index) => toolsNamed('same', `only-${index}`))
    const lists = await Promise.all(contents.map((tools) => server.observe(tools)))
    const saved = await Promise.all(lists.map((list, index) => (index % 2 === 0 ? store : other).save(list)))
    const numbers = Array.from({ length: 12 }, (_, index) => index + 1)
    expect(saved.map(({ version }) => version).toSorted((left, right) => left - right)).toEqual(numbers)
    const versions = await server.versions()
    expect(versions.map(({ version }) => version).toSorted((left, right) => left - right)).toEqual(numbers)
    // Each added its own tool: none was compared with anything but its predecessor.
    const first = versions.find(({ version }) => version === 1)
    const others = versions.filter(({ version }) => version > 1)
    expect(first?.added).toHaveLength(2)
    for (const { added, removed } of others) expect([added.length, removed.length]).toEqual([1, 1])
    const last = saved.findIndex(({ version }) => version === 12)
    expect((await server.load())?.definitions).toEqual(contents[last])
  })

  it('makes one version of one content that many gateways save at once', async () => {
    const server = serverInStore()
    const other = createPostgresListStore((await opened.openAgain()).db)
    const list = await server.observe(toolsNamed('same'))
    const saved = await Promise.all([store, other, store, other].map((each) => each.save(list)))
    expect(saved.map(({ version }) => version)).toEqual([1, 1, 1, 1])
    expect(saved.filter(({ changed }) => changed)).toHaveLength(1)
    expect(await server.versions()).toHaveLength(1)
  })

  it('keeps the last hundred versions of a list, and as many removed items as its bound', async () => {
    const server = serverInStore()
    for (let count = 0; count < keptVersions + 5; count += 1) await server.save(toolsNamed(`tool-${count}`))
    const versions = await server.versions()
    expect(versions.map(({ version }) => version)).toEqual(
      Array.from({ length: keptVersions }, (_, index) => keptVersions + 5 - index),
    )
    const many = Array.from({ length: 1_500 }, (_, index) => `many-${index}`)
    await server.save(toolsNamed(...many))
    await server.save(toolsNamed('rest'))
    expect((await server.items()).size).toBe(1_001)
  }, 60_000)

  it('forgets a server and leaves the others', async () => {
    const [gone, left] = [serverInStore(), serverInStore()]
    await gone.save(toolsNamed('a'))
    await left.save(toolsNamed('a'))
    await store.forget(gone.serverId)
    expect([await gone.load(), await gone.versions(), (await gone.items()).size]).toEqual([undefined, [], 0])
    expect([(await left.load())?.version, (await left.items()).size]).toEqual([1, 1])
    expect(await gone.save(toolsNamed('a'))).toEqual({ version: 1, changed: true })
  })

  it('says STORE_UNAVAILABLE where it cannot be asked', async () => {
    const { database } = await openStore()
    await database.close()
    const closed = createPostgresListStore(database.db)
    await expect(closed.load(['a'])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('never leaves a row without a version behind when a save fails', async () => {
    const server = serverInStore()
    const list = await server.observe(toolsNamed('a'))
    const broken = { ...list, items: [{ name: 'a', hash: 'h', definition: { text: '\0' } }] }
    await expect(store.save(broken)).rejects.toThrow('U+0000')
    const rows = await opened.database.db.select().from(serverLists)
    expect(rows.filter(({ serverId }) => serverId === server.serverId)).toEqual([])
  })
})
