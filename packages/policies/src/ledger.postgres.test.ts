import { inspect } from 'node:util'
import { calls } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { exampleRow } from './example-row.fixture.ts'
import { createPostgresLedgerStore } from './ledger.postgres.ts'

const { signal } = new AbortController()

describeOnStores('the ledger store', (openStore) => {
  it('keeps what was recorded, with the time to the millisecond', async () => {
    const { database } = await openStore()
    const row = exampleRow({ startedAt: new Date(1_767_225_600_123), promptTokens: 12, durationMs: 0.25 })
    await createPostgresLedgerStore(database).append([row], signal)
    const [kept] = await database.db.select().from(calls)
    expect(kept).toMatchObject({
      id: 'call_1',
      principalId: 'ann',
      teamId: null,
      promptTokens: 12,
      outcome: 'ok',
      startedAt: row.startedAt,
      durationMs: 0.25,
    })
  })

  it('has rows once that came twice, and the others of their batch', async () => {
    const { database } = await openStore()
    const store = createPostgresLedgerStore(database)
    await store.append([exampleRow({ id: 'a' })], signal)
    await store.append([exampleRow({ id: 'a' }), exampleRow({ id: 'b' })], signal)
    expect(await database.db.select({ id: calls.id }).from(calls).orderBy(calls.id)).toEqual([{ id: 'a' }, { id: 'b' }])
  })

  it('is never held up by a row that Postgres could not hold as it is', async () => {
    const { database } = await openStore()
    const hostile = exampleRow({
      publicName: `a\0b\ud800${'x'.repeat(10_000)}`,
      method: 'm\0',
      model: '\0',
      promptTokens: 3_000_000_000,
      completionTokens: 1.5,
    })
    await createPostgresLedgerStore(database).append([hostile], signal)
    const [kept] = await database.db.select().from(calls)
    expect(kept).toMatchObject({ method: 'm', promptTokens: null, completionTokens: null })
    expect(kept?.publicName).toHaveLength(511)
  })

  it('is never held up by who called, whatever an identity provider calls them', async () => {
    const { database } = await openStore()
    const odd = 'ann\0\ud800'
    const callers = { principalId: odd, userId: odd, teamId: odd, keyAlias: odd, client: odd }
    const long = 'x'.repeat(2_000)
    const rows = [exampleRow(callers), exampleRow({ id: 'other', principalId: long })]
    await createPostgresLedgerStore(database).append(rows, signal)
    const kept = await database.db.select().from(calls).orderBy(calls.id)
    const readable = 'ann\ufffd'
    expect(kept[0]).toMatchObject({ principalId: readable, userId: readable, teamId: readable, client: readable })
    expect(kept[1]).toMatchObject({ principalId: long })
  })

  it('keeps text with tabs, line breaks and backslashes as it is', async () => {
    const { database } = await openStore()
    const texts = { publicName: 'a\tb\r\nc\\d\\N', targetName: '\\N', requestId: '' }
    await createPostgresLedgerStore(database).append([exampleRow(texts)], signal)
    const [kept] = await database.db.select().from(calls)
    expect(kept).toMatchObject(texts)
  })

  it('takes a whole batch', async () => {
    const { database } = await openStore()
    const rows = Array.from({ length: 100 }, (_, index) => exampleRow({ id: `call_${index}` }))
    await createPostgresLedgerStore(database).append(rows, signal)
    expect(await database.db.$count(calls)).toBe(100)
  })

  it('rejects without quoting rows where they cannot be written', async () => {
    const { database } = await openStore()
    await database.db.execute(sql`drop table calls`)
    const writing = createPostgresLedgerStore(database).append([exampleRow({ keyHash: 'canary-hash' })], signal)
    const error: unknown = await writing.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', internal: 'database error 42P01' })
    expect(inspect(error, { depth: 9 })).not.toContain('canary-hash')
  })
})
