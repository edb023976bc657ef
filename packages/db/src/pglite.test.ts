import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { GatewayError } from '@toolgate/core'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database, Queries } from './database.ts'
import { openPgliteFolder, openPgliteInMemory } from './pglite.ts'
import { askStore, writeStore } from './store-errors.ts'

const unavailable = { code: 'STORE_UNAVAILABLE' }

async function namesIn(db: Queries): Promise<unknown> {
  return Reflect.get(Object(await db.execute(sql`select name from things order by name`)), 'rows')
}

const insert = (db: Queries, name: string) => askStore(() => db.execute(sql`insert into things values (${name})`))

/** Drizzle sends a query a few microtasks after it was asked for. */
const sent = () => new Promise((resolve) => setImmediate(resolve))

/** The thread that is started next, of which the product shows nothing. */
function nextThread(): Promise<Worker> {
  const { promise, resolve } = Promise.withResolvers<Worker>()
  process.once('worker', resolve)
  return promise
}

describe('the embedded database', () => {
  let database: Database
  let snapshot: Uint8Array
  beforeAll(async () => {
    const made = await openPgliteInMemory()
    await made.db.execute(sql`create table things (name text primary key)`)
    snapshot = await made.snapshot()
    await made.close()
  })
  beforeEach(async () => {
    database = await openPgliteInMemory(snapshot)
  })
  afterEach(() => database.close())

  it('leaves the thread of the requests free while a query runs', async () => {
    let turns = 0
    const turn = () => {
      turns += 1
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    await database.db.execute(sql`select count(*) from generate_series(1, 1000000)`)
    clearImmediate(next)
    expect(turns).toBeGreaterThan(20)
  })

  it('takes back a transaction whose function throws, and of a nested one only that', async () => {
    const failing = database.db.transaction(async (transaction) => {
      await insert(transaction, 'undone')
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    await database.db.transaction(async (transaction) => {
      await insert(transaction, 'kept')
      const nested = transaction.transaction(async (inner) => {
        await insert(inner, 'inner')
        await insert(inner, 'kept')
      })
      await expect(nested).rejects.toMatchObject({ cause: { code: '23505' } })
    })
    expect(await namesIn(database.db)).toEqual([{ name: 'kept' }])
  })

  it('keeps other queries out of a transaction', async () => {
    const begun = Promise.withResolvers<void>()
    const running = database.db.transaction(async (transaction) => {
      begun.resolve()
      await insert(transaction, 'undone')
      throw new Error('no')
    })
    await begun.promise
    const beside = insert(database.db, 'beside')
    await expect(running).rejects.toThrow('no')
    await beside
    expect(await namesIn(database.db)).toEqual([{ name: 'beside' }])
  })

  it('refuses a parameter that cannot pass to its thread, and goes on', async () => {
    await expect(database.db.execute(sql`select ${() => 'a function'}`)).rejects.toThrow('Failed query')
    await insert(database.db, 'after')
    expect(await namesIn(database.db)).toEqual([{ name: 'after' }])
  })

  it('does what was asked before it was closed, and nothing afterwards', async () => {
    const before = insert(database.db, 'before')
    await sent()
    const closing = Promise.all([database.close(), database.close()])
    await expect(insert(database.db, 'after')).rejects.toMatchObject(unavailable)
    await expect(database.ping(AbortSignal.timeout(5000))).rejects.toMatchObject(unavailable)
    await closing
    await expect(before).resolves.toBeDefined()
    await expect(database.db.transaction(() => Promise.resolve())).rejects.toMatchObject(unavailable)
  })

  it('closes although a transaction never ends, which then fails', async () => {
    const held = Promise.withResolvers<void>()
    const running = database.db.transaction(async (transaction) => {
      await insert(transaction, 'undone')
      await held.promise
    })
    const queued = insert(database.db, 'queued')
    await sent()
    await database.close()
    await queued
    held.resolve()
    await expect(running).rejects.toMatchObject(unavailable)
  })
})

describe('a write that nobody waits for any more', () => {
  it('is rolled back, and answered as one of which nobody knows', async () => {
    const database = await openPgliteInMemory()
    const { db } = database
    await db.execute(sql`create table things (name text)`)
    const late = new AbortController()
    const write = writeStore(
      db,
      async (within) => {
        await within.execute(sql`insert into things values ('late')`)
        late.abort(new DOMException('late', 'TimeoutError'))
      },
      late.signal,
    )
    await expect(write).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('it is not known') })
    expect(await namesIn(db)).toEqual([])
    const { signal } = new AbortController()
    await writeStore(db, (within) => within.execute(sql`insert into things values ('in time')`), signal)
    expect(await namesIn(db)).toEqual([{ name: 'in time' }])
    await database.close()
  })

  it('is no fault of the store where its caller left', async () => {
    const left = new GatewayError('CANCELLED', 'gone')
    await expect(askStore(() => Promise.resolve(), AbortSignal.abort(left))).rejects.toBe(left)
  })
})

describe('the embedded database whose thread dies', () => {
  it('rejects what is under way and what comes with STORE_UNAVAILABLE, and can be closed', async () => {
    const starting = nextThread()
    const database = await openPgliteInMemory()
    const thread = await starting
    const running = askStore(() => database.db.execute(sql`select count(*) from generate_series(1, 1000000000)`))
    const held = database.db.transaction(() => Promise.resolve())
    const ended = Promise.allSettled([running, held])
    await thread.terminate()
    expect(await ended).toMatchObject([
      { status: 'rejected', reason: unavailable },
      { status: 'rejected', reason: unavailable },
    ])
    await expect(database.ping(AbortSignal.timeout(5000))).rejects.toMatchObject(unavailable)
    await expect(database.listen('things', { changed() {} })).rejects.toMatchObject(unavailable)
    await database.close()
  })
})

describe('the embedded database and its process', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toolgate-pglite-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('leaves neither a thread nor a lock where it cannot be opened, and says why in one line', async () => {
    const dataDir = join(folder, 'unreadable')
    await mkdir(join(dataDir, 'postgres'), { recursive: true })
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), 'not a version')
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const starting = nextThread()
      await expect(openPgliteFolder(dataDir)).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: `Cannot open the database folder ${dataDir}: its files cannot be read as a database.`,
      })
      expect((await starting).threadId).toBe(-1)
    }
  })

  it('lets the process end without being closed, after what was asked is written', async () => {
    const dataDir = join(folder, 'abandoned')
    const child = spawn(process.execPath, ['--input-type=module', '-e', abandon(dataDir)], { stdio: 'inherit' })
    expect(await once(child, 'exit')).toEqual([0, null])
    const database = await openPgliteFolder(dataDir)
    expect(await namesIn(database.db)).toEqual([{ name: 'last' }])
    await database.close()
  })
})

function abandon(dataDir: string): string {
  const source = JSON.stringify(join(import.meta.dirname, 'pglite.ts'))
  return `const { openPgliteFolder } = await import(${source})
    const { db } = await openPgliteFolder(${JSON.stringify(dataDir)})
    await db.execute('create table things (name text primary key)')
    db.execute("insert into things values ('last')").then(() => {})`
}
