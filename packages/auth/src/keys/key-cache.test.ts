import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { randomId, Secret, silentLogger, systemClock } from '@toolgate/core'
import { migrate, openDatabase, type VirtualKeyRow } from '@toolgate/db'
import { createDatabase, describeOnPostgres, describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKeyCache, type KeyCache, type KeyCacheOptions } from './key-cache.ts'
import type { KeyChanges, KeyStore } from './key-store.ts'
import { keySettings } from './key-settings.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys } from './virtual-keys.ts'

const signal = new AbortController().signal

describeOnStores('a change of a key', (openStore) => {
  let here: ReturnType<typeof createVirtualKeys>
  let elsewhere: Pick<KeyCacheOptions, 'store' | 'feed'> & { store: KeyStore }
  beforeAll(async () => {
    const opened = await openStore()
    const again = await opened.openAgain()
    here = createVirtualKeys({ store: createPostgresKeyStore(opened.database), log: silentLogger })
    elsewhere = { store: createPostgresKeyStore(again), feed: again }
  })

  const started = async (options: Partial<KeyCacheOptions>) => {
    const cache = createKeyCache({ ...elsewhere, log: silentLogger, ...options })
    await cache.start()
    return Object.assign(cache, { [Symbol.asyncDispose]: () => cache.close() })
  }
  const within2Seconds = { timeout: 2000, interval: 20 }
  const generate = async () => (await here.generate({}, 'admin')).token

  it('is heard by the feed within two seconds: a clock that stands still never polls', async () => {
    await using cache = await started({ clock: fakeClock() })
    const hash = await generate()
    await expect(cache.find(hash, signal)).resolves.toMatchObject({ blocked: false })
    await here.block({ key: hash }, 'admin')
    await vi.waitFor(
      async () => expect(await cache.find(hash, signal)).toMatchObject({ blocked: true }),
      within2Seconds,
    )
    await here.delete({ keys: [hash] }, 'admin')
    await vi.waitFor(async () => expect(await cache.find(hash, signal)).toBeUndefined(), within2Seconds)
  })

  it('is found by polling within two seconds where there is no feed', async () => {
    const listen = () => Promise.reject(new Error('no feed'))
    await using cache = await started({ feed: { listen } })
    const hash = await generate()
    await expect(cache.find(hash, signal)).resolves.toMatchObject({ blocked: false })
    await here.block({ key: hash }, 'admin')
    await vi.waitFor(
      async () => expect(await cache.find(hash, signal)).toMatchObject({ blocked: true }),
      within2Seconds,
    )
    await here.delete({ keys: [hash] }, 'admin')
    await vi.waitFor(async () => expect(await cache.find(hash, signal)).toBeUndefined(), within2Seconds)
  })

  it('makes a key usable that was asked for before it existed', async () => {
    await using cache = await started({ clock: fakeClock() })
    const { token } = await here.generate({ key: 'sk-asked-too-early-01' }, 'admin')
    await here.delete({ keys: [token] }, 'admin')
    await vi.waitFor(async () => expect(await cache.find(token, signal)).toBeUndefined(), within2Seconds)
    await here.generate({ key: 'sk-asked-too-early-01' }, 'admin')
    await vi.waitFor(async () => expect(await cache.find(token, signal)).toBeDefined(), within2Seconds)
  })
})

describeOnPostgres('an outage of the database', (server) => {
  it('leaves known keys working, makes unknown ones a 503 and hides no block that came meanwhile', async () => {
    const address = new URL((await createDatabase(await server())).reveal())
    const direct = await openDatabase({ url: new Secret(address.href) })
    await migrate(direct)
    const here = createVirtualKeys({ store: createPostgresKeyStore(direct), log: silentLogger })
    await using line = await cuttableLine(Number(address.port))
    address.port = String(line.port)
    const behind = await openDatabase({ url: new Secret(address.href) })
    const store = createPostgresKeyStore(behind)
    const find = vi.fn<KeyStore['find']>(store.find)
    const cache = createKeyCache({ store: { ...store, find }, feed: behind, log: silentLogger })
    const { token } = await here.generate({}, 'admin')
    await cache.start()
    await vi.waitFor(async () => {
      find.mockClear()
      await cache.find(token, signal)
      expect(find, 'the key is known').not.toHaveBeenCalled()
    })

    line.cut()
    await expect(cache.find('unknown', signal)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await here.block({ key: token }, 'admin')
    await expect(cache.find(token, signal)).resolves.toMatchObject({ blocked: false })

    line.mend()
    const patience = { timeout: 10_000, interval: 50 }
    await vi.waitFor(async () => expect(await cache.find(token, signal)).toMatchObject({ blocked: true }), patience)
    await expect(cache.find('unknown', signal)).resolves.toBeUndefined()
    await cache.close()
    await behind.close()
    await direct.close()
  })
})

describe('the key cache', () => {
  const template: VirtualKeyRow = {
    ...keySettings({}, { clock: systemClock, newId: randomId }),
    hash: 'known',
    keyName: 'sk-...',
    origin: 'api',
    blocked: false,
    disabledReason: null,
    spend: 0,
    rotationCount: 0,
    lastRotationAt: null,
    createdAt: new Date(0),
    createdBy: 'admin',
    updatedAt: new Date(0),
    updatedBy: 'admin',
  }
  const rows = new Map<string, VirtualKeyRow>()
  let asked: string[]
  let down: boolean
  let changes: () => Promise<KeyChanges>
  let clock: ReturnType<typeof fakeClock>
  let cache: KeyCache

  const store: KeyCacheOptions['store'] = {
    async find(hash) {
      asked.push(hash)
      if (down) throw new Error('connect ECONNREFUSED')
      return rows.get(hash)
    },
    changedSince: () => (down ? Promise.reject(new Error('connect ECONNREFUSED')) : changes()),
  }

  beforeEach(() => {
    rows.clear()
    rows.set('known', template)
    asked = []
    down = false
    changes = async () => ({ changes: [], complete: true, mark: new Date(0) })
    clock = fakeClock()
    cache = createKeyCache({ store, log: silentLogger, clock })
  })

  it('asks the store once for many callers at once, and not again for a minute', async () => {
    await Promise.all(Array.from({ length: 20 }, () => cache.find('known', signal)))
    clock.advance(59_999)
    await cache.find('known', signal)
    expect(asked).toEqual(['known'])
    clock.advance(2)
    await cache.find('known', signal)
    expect(asked).toEqual(['known', 'known'])
  })

  it('remembers for five seconds that a key does not exist', async () => {
    await cache.find('nobody', signal)
    clock.advance(4_999)
    await expect(cache.find('nobody', signal)).resolves.toBeUndefined()
    expect(asked).toEqual(['nobody'])
    clock.advance(2)
    await cache.find('nobody', signal)
    expect(asked).toHaveLength(2)
  })

  it('forgets no key because of guesses: unknown ones have a bound of their own', async () => {
    await cache.find('known', signal)
    for (let guess = 0; guess < 10_001; guess += 1) await cache.find(`guess-${guess}`, signal)
    asked = []
    await cache.find('known', signal)
    expect(asked).toEqual([])
    await cache.find('guess-0', signal)
    expect(asked).toEqual(['guess-0'])
  })

  it('does not keep, nor share, what was read before a change', async () => {
    const heard = Promise.withResolvers<(hash: string) => void>()
    const feed: KeyCacheOptions['feed'] = {
      async listen(_channel, { changed }) {
        heard.resolve(changed)
        return async () => {}
      },
    }
    const reading = Promise.withResolvers<VirtualKeyRow>()
    const find = vi.fn<KeyStore['find']>().mockReturnValueOnce(reading.promise)
    find.mockResolvedValue({ ...template, blocked: true })
    const cache = createKeyCache({ store: { ...store, find }, feed, log: silentLogger, clock })
    await cache.start()
    const before = cache.find('known', signal)
    const change = await heard.promise
    change('known')
    await expect(cache.find('known', signal)).resolves.toMatchObject({ blocked: true })
    reading.resolve({ ...template, blocked: false })
    await expect(before).resolves.toMatchObject({ blocked: false })
    await expect(cache.find('known', signal)).resolves.toMatchObject({ blocked: true })
    await cache.close()
    expect(clock.pending).toBe(0)
  })

  it('goes on with known keys for ten minutes of an outage, and calls unknown ones no names', async () => {
    await cache.find('known', signal)
    down = true
    clock.advance(5 * 60_000)
    await expect(cache.find('known', signal)).resolves.toMatchObject({ hash: 'known' })
    await expect(cache.find('other', signal)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    asked = []
    await cache.find('known', signal)
    expect(asked).toEqual([])
    clock.advance(5 * 60_000)
    await expect(cache.find('known', signal)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    down = false
    await expect(cache.find('known', signal)).resolves.toMatchObject({ hash: 'known' })
  })

  it('does not take a key for unknown during an outage because it was before', async () => {
    await cache.find('nobody', signal)
    await cache.start()
    down = true
    clock.advance(1_000)
    await vi.waitFor(() => expect(cache.find('nobody', signal)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' }))
    await cache.close()
  })

  it('learns after an outage what changed during it', async () => {
    const marks: (Date | undefined)[] = []
    const watched = createKeyCache({
      store: {
        ...store,
        changedSince: (mark) => {
          marks.push(mark)
          if (down) return Promise.reject(new Error('down'))
          return Promise.resolve({ changes: [{ hash: 'known', at: new Date(1) }], complete: true, mark: new Date(7) })
        },
      },
      log: silentLogger,
      clock,
    })
    await watched.start()
    await watched.find('known', signal)
    down = true
    clock.advance(1_000)
    await vi.waitFor(() => expect(marks).toHaveLength(2))
    down = false
    rows.delete('known')
    await vi.waitFor(async () => {
      clock.advance(1_000)
      expect(await watched.find('known', signal)).toBeUndefined()
    })
    expect(marks.slice(0, 3)).toEqual([undefined, new Date(7), new Date(7)])
    await watched.close()
  })

  it('keeps a key that was read after the change that a poll reports, and drops all after too many', async () => {
    let complete = true
    changes = async () => ({ changes: [{ hash: 'known', at: template.updatedAt }], complete, mark: new Date(7) })
    await cache.start()
    await cache.find('known', signal)
    clock.advance(1_000)
    await cache.find('known', signal)
    expect(asked).toEqual(['known'])
    complete = false
    await vi.waitFor(async () => {
      clock.advance(1_000)
      await cache.find('known', signal)
      expect(asked).toEqual(['known', 'known'])
    })
    await cache.close()
  })

  it('lets one caller go without failing the others', async () => {
    const reading = Promise.withResolvers<VirtualKeyRow>()
    const cache = createKeyCache({ store: { ...store, find: () => reading.promise }, log: silentLogger, clock })
    const controller = new AbortController()
    const gone = cache.find('known', controller.signal)
    const staying = cache.find('known', signal)
    controller.abort(new Error('client went away'))
    await expect(gone).rejects.toThrow('client went away')
    reading.resolve(template)
    await expect(staying).resolves.toMatchObject({ hash: 'known' })
  })
})

/** A TCP line to a local port that can be cut: connections break, and new ones are dropped as they come. */
async function cuttableLine(target: number) {
  const sockets = new Set<Socket>()
  let whole = true
  const server = createServer((near) => {
    if (!whole) return near.destroy()
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    return near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const cut = () => {
    whole = false
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  return {
    port: typeof address === 'object' ? address?.port : undefined,
    cut,
    mend: () => {
      whole = true
    },
    async [Symbol.asyncDispose]() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
