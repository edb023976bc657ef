import { once } from 'node:events'
import { createServer } from 'node:net'
import { randomId, Secret } from '@toolgate/core'
import {
  askStore,
  calls,
  managementEvents,
  migrate,
  oauthClients,
  openDatabase,
  publish,
  uniqueViolation,
} from '@toolgate/db'
import { createDatabase, describeOnPostgres, describeOnStores, type TestStore } from '@toolgate/testing/database'
import { freePort } from '@toolgate/testing/postgres-server'
import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it, vi } from 'vitest'

describeOnStores('a database', (openStore) => {
  let store: TestStore
  beforeAll(async () => {
    store = await openStore()
  })

  const event = (details: Record<string, unknown> = {}) => ({
    id: randomId('event'),
    actor: 'admin',
    action: 'test',
    objectType: 'test',
    objectId: '1',
    details,
  })

  it('keeps what was written when it is migrated again', async () => {
    const row = event({ nested: { list: [1, null, 'ü'] } })
    await store.database.db.insert(managementEvents).values(row)
    await migrate(store.database)
    const rows = await store.database.db.select().from(managementEvents).where(sql`id = ${row.id}`)
    expect(rows).toEqual([{ ...row, at: expect.any(Date) }])
  })

  it('keeps instants to the millisecond', async () => {
    const startedAt = new Date(1_790_000_000_123)
    const identity = { traceId: 't', method: 'm', door: 'd', requestId: 'r', principalId: 'p', keyHash: 'k' }
    const row = { id: randomId('call'), kind: 'list' as const, outcome: 'ok', durationMs: 1.25, startedAt, ...identity }
    const [written] = await store.database.db.insert(calls).values(row).returning()
    expect(written).toMatchObject({ startedAt, durationMs: 1.25 })
  })

  it('keeps a list of texts as it was written', async () => {
    const redirectUris = ['http://one.test/a,b', 'a "quoted\\" {text}', '', 'NULL', ' ']
    const registered = { tokenEndpointAuthMethod: 'none', metadata: {}, createdAt: new Date() } as const
    const row = { id: randomId('client'), redirectUris, grantTypes: [], ...registered }
    await store.database.db.insert(oauthClients).values(row)
    const [kept] = await store.database.db.select().from(oauthClients).where(sql`id = ${row.id}`)
    expect(kept).toMatchObject(row)
  })

  it('announces a change on commit, and never one that was rolled back', async () => {
    const other = await store.openAgain()
    const heard: string[] = []
    const stop = await other.listen('things', { changed: (payload) => heard.push(payload) })
    const rolledBack = store.database.db.transaction(async (transaction) => {
      await publish(transaction, { channel: 'things', payload: 'undone' })
      throw new Error('no')
    })
    await expect(rolledBack).rejects.toThrow('no')
    await store.database.db.transaction(async (transaction) => {
      await publish(transaction, { channel: 'things', payload: 'done' })
      expect(heard).toEqual([])
    })
    await vi.waitFor(() => expect(heard).toEqual(['done']))
    await stop()
    await publish(store.database.db, { channel: 'things', payload: 'later' })
    await publish(store.database.db, { channel: 'others', payload: 'elsewhere' })
    await other.ping(AbortSignal.timeout(1000))
    expect(heard).toEqual(['done'])
  })

  it('names the constraint that a duplicate violates', async () => {
    const row = event()
    await store.database.db.insert(managementEvents).values(row)
    const duplicate = await store.database.db
      .insert(managementEvents)
      .values(row)
      .then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(uniqueViolation(duplicate)).toBe('management_events_pkey')
    expect(uniqueViolation(new Error('other'))).toBeUndefined()
    await expect(askStore(() => Promise.reject(duplicate))).rejects.toBe(duplicate)
  })

  it('keeps values out of the messages of failed statements', async () => {
    const failing = store.database.db.execute(sql`select ${'canary-value'}::int`)
    await expect(failing).rejects.toThrow(expect.not.stringContaining('canary-value'))
  })

  it('releases a caller that gives up on a ping', async () => {
    await expect(store.database.ping(AbortSignal.abort())).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(store.database.ping(AbortSignal.timeout(5000))).resolves.toBeUndefined()
  })
})

describeOnPostgres('a remote database', (server) => {
  const connectionsOf = (query: string) =>
    sql.raw(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and query ilike '${query}%'`)

  it('is migrated once, however many processes start together', async () => {
    const url = await createDatabase(await server())
    const replicas = await Promise.all(Array.from({ length: 4 }, () => openDatabase({ url })))
    await Promise.all(replicas.map((replica) => migrate(replica)))
    const [replica] = replicas
    const applied = await replica?.db.execute(sql`select name from drizzle.__drizzle_migrations`)
    const names = Array.from(Object(applied), (row) => JSON.stringify(row))
    expect(names.length).toBeGreaterThan(0)
    expect(new Set(names).size).toBe(names.length)
    for (const each of replicas) await each.close()
  })

  it('resumes the change feed by itself after its connection was cut', async () => {
    const url = await createDatabase(await server())
    await using database = disposable(await openDatabase({ url }))
    const heard: string[] = []
    const resumed = vi.fn<() => void>()
    await database.listen('things', { changed: (payload) => heard.push(payload), resumed })
    expect(resumed).toHaveBeenCalledTimes(1)
    await database.db.execute(connectionsOf('listen'))
    await vi.waitFor(() => expect(resumed).toHaveBeenCalledTimes(2), 5000)
    await publish(database.db, { channel: 'things', payload: 'after' })
    await vi.waitFor(() => expect(heard).toEqual(['after']))
  })

  it('says STORE_UNAVAILABLE while the server is gone and works again without being reopened', async () => {
    const url = await createDatabase(await server())
    await using database = disposable(await openDatabase({ url }))
    const running = askStore(() => database.db.execute(sql`select pg_sleep(10)`))
    running.catch(() => 'looked at below')
    await using administration = disposable(await openDatabase({ url }))
    await vi.waitFor(async () => {
      const cut = await administration.db.execute(connectionsOf('select pg_sleep'))
      expect(cut).toHaveLength(1)
    })
    await expect(running).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(database.ping(AbortSignal.timeout(5000))).resolves.toBeUndefined()
  })

  it('says which name is missing on the server, and no password', async () => {
    const { host, port } = await server()
    const opening = openDatabase({ url: new Secret(`postgres://postgres:hush-hush@${host}:${port}/absent`) })
    await expect(opening).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: `Cannot open the database at ${host}:${port}/absent: it has no database of that name. Create it first.`,
    })
  })
})

describe('a database that cannot be opened', () => {
  it('is one line with host and port and without the password', async () => {
    const port = await freePort()
    const url = new Secret(`postgres://gate:hush-hush@127.0.0.1:${port}/gate`)
    const error = await openDatabase({ url }).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(error).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: `Cannot open the database at 127.0.0.1:${port}/gate: nothing listens there. Is Postgres running, and is DATABASE_URL right?`,
    })
    expect(JSON.stringify(error)).not.toContain('hush-hush')
  })

  it('is given up when something else answers at its address', async () => {
    let connections = 0
    const stranger = createServer((socket) => {
      connections += 1
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    stranger.listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const address = stranger.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const opening = openDatabase({ url: new Secret(`postgres://gate@127.0.0.1:${port}/gate`) })
    await expect(opening).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('does not answer as a Postgres does'),
    })
    // With pauses in between.
    expect(connections).toBeLessThan(30)
    stranger.close()
  })
})

function disposable<Closable extends { close(): Promise<void> }>(value: Closable): Closable & AsyncDisposable {
  return { ...value, [Symbol.asyncDispose]: () => value.close() }
}
