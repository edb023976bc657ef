import type { Clock, NewId } from '@toolgate/core'
import { askStore, conversationRecords, type Queries, writeStore } from '@toolgate/db'
import { and, arrayOverlaps, asc, eq, gt, inArray, lte, sql } from 'drizzle-orm'
import {
  type RecordBounds,
  recordBounds,
  type RecordNames,
  type RecordStore,
  type StoredRecord,
} from './record-store.ts'

/** Expired records of anybody that one save takes away. */
const sweptAtOnce = 100

export interface PostgresRecordStoreOptions {
  readonly db: Queries
  readonly clock: Clock
  readonly newId: NewId
  readonly bounds?: Partial<RecordBounds>
}

/** Records in the table `conversation_records`, on PGlite or Postgres. */
export function createPostgresRecordStore({ db, clock, newId, bounds = {} }: PostgresRecordStoreOptions): RecordStore {
  const limits = { ...recordBounds, ...bounds }
  const now = () => new Date(clock.now())
  return {
    async save(record) {
      const value = JSON.stringify(record.value)
      if (value.length > limits.maxSize) return
      await writeStore(db, async (within) => {
        await within.insert(conversationRecords).values(rowOf(record, { id: newId('record'), value, now: now() }))
        await sweep(within, now())
        await evict(within, record, limits)
      })
    },
    find: (sought) =>
      askStore(async () => {
        const rows = await db
          .select({ names: conversationRecords.names, value: conversationRecords.value })
          .from(conversationRecords)
          .where(and(bearsAny(sought), gt(conversationRecords.expiresAt, now())))
          .orderBy(asc(conversationRecords.savedAt), asc(conversationRecords.id))
        return rows.map(({ names, value }) => ({ names, value: JSON.parse(value) }))
      }),
    async claim({ names, ...claimed }) {
      if (names.length === 0) return new Set()
      return writeStore(db, async (within) => {
        // In one order, so that two who claim the same never wait for each other.
        const sorted = [...new Set(names)].toSorted()
        const rows = await within
          .insert(conversationRecords)
          .values(sorted.map((name) => claimOf({ ...claimed, names: [name], value: null }, now())))
          .onConflictDoNothing()
          .returning({ names: conversationRecords.names })
        if (rows.length === 0) return new Set()
        await sweep(within, now())
        await evict(within, claimed, { ...limits, maxRecords: limits.maxClaims })
        return new Set(rows.flatMap((row) => row.names))
      })
    },
    remove: (sought) =>
      writeStore(db, async (within) => {
        const removed = await within
          .delete(conversationRecords)
          .where(bearsAny(sought))
          .returning({ id: conversationRecords.id })
        return removed.length > 0
      }),
  }
}

function bearsAny({ owner, kind, names }: RecordNames) {
  return and(
    eq(conversationRecords.owner, owner),
    eq(conversationRecords.kind, kind),
    arrayOverlaps(conversationRecords.names, [...names]),
  )
}

function rowOf(
  { owner, kind, names, lifetimeMs }: StoredRecord,
  { id, value, now }: { id: string; value: string; now: Date },
): typeof conversationRecords.$inferInsert {
  const expiresAt = new Date(now.getTime() + lifetimeMs)
  return { id, kind, owner, names: [...names], value, size: value.length, savedAt: now, expiresAt }
}

async function sweep(within: Queries, now: Date): Promise<void> {
  const expired = within
    .select({ id: conversationRecords.id })
    .from(conversationRecords)
    .where(lte(conversationRecords.expiresAt, now))
    .limit(sweptAtOnce)
  await within.delete(conversationRecords).where(inArray(conversationRecords.id, expired))
}

/** Its id is its name, so that it stands once. */
function claimOf(record: StoredRecord, now: Date): typeof conversationRecords.$inferInsert {
  return rowOf(record, { id: JSON.stringify([record.kind, record.owner, ...record.names]), value: '', now })
}

/** What is beyond the owner's share, counted from the newest. */
async function evict(
  within: Queries,
  { owner, kind }: Pick<StoredRecord, 'owner' | 'kind'>,
  limits: RecordBounds,
): Promise<void> {
  const newest = sql`(order by ${conversationRecords.savedAt} desc, ${conversationRecords.id} desc)`
  const counted = within
    .select({
      id: conversationRecords.id,
      position: sql<number>`row_number() over ${newest}`.as('position'),
      total: sql<number>`sum(${conversationRecords.size}) over ${newest}`.as('total'),
    })
    .from(conversationRecords)
    .where(and(eq(conversationRecords.owner, owner), eq(conversationRecords.kind, kind)))
    .as('counted')
  const beyond = within
    .select({ id: counted.id })
    .from(counted)
    .where(sql`${counted.position} > ${limits.maxRecords} or ${counted.total} > ${limits.maxTotalSize}`)
  await within.delete(conversationRecords).where(inArray(conversationRecords.id, beyond))
}
