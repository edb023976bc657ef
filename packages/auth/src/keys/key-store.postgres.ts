/**
 * Virtual keys in Postgres or PGlite. Configuration has a file of its own, `config-keys.postgres.ts`.
 */
import { GatewayError, type NewId, randomId } from '@toolgate/core'
import {
  askStore,
  type Database,
  managementEvents,
  type NewVirtualKeyRow,
  type Queries,
  uniqueViolation,
  type VirtualKeyRow,
  virtualKeys,
} from '@toolgate/db'
import { and, asc, count, desc, eq, gte, inArray, max, or, sql } from 'drizzle-orm'
import { syncConfigKeys } from './config-keys.postgres.ts'
import { recordKeyChange } from './key-changes.postgres.ts'
import type { KeyChanges, KeyFilter, KeyReferences, KeyStore } from './key-store.ts'

/**
 * How far back a poll looks before its mark. `at` is when a change was written and it is seen when its transaction commits:
 * one that takes longer than this between the two would be missed by the poll (and is still heard on the feed).
 */
const overlapMs = 10_000
/** After a long outage it is cheaper to read again what is used than to list what changed. */
const mostChanges = 10_000

export function createPostgresKeyStore({ db }: Database, newId: NewId = randomId): KeyStore {
  return {
    find: (hash, signal) => askStore(() => findKey(db, hash), signal),
    list: (filter) => askStore(() => listKeys(db, filter)),
    insert: (key, actor) => askStore(() => db.transaction((within) => insertKey(within, key, { actor, newId }))),
    remove: (references, actor) =>
      askStore(() => db.transaction((within) => removeKeys(within, references, { actor, newId }))),
    setBlocked: (hash, blocked, actor) =>
      askStore(() => db.transaction((within) => blockKey(within, { hash, blocked }, { actor, newId }))),
    syncConfig: (keys) => askStore(() => db.transaction((within) => syncConfigKeys(within, keys, newId))),
    changedSince: (mark, signal) => askStore(() => changedSince(db, mark), signal),
  }
}

/** Who writes, and what makes the ids of the events. */
interface Writer {
  readonly actor: string
  readonly newId: NewId
}

async function findKey(db: Queries, hash: string): Promise<VirtualKeyRow | undefined> {
  const [row] = await db.select().from(virtualKeys).where(eq(virtualKeys.hash, hash))
  return row
}

async function listKeys(db: Queries, { offset, limit, sortBy, descending, ...filter }: KeyFilter) {
  const matching = and(
    filter.userId === undefined ? undefined : eq(virtualKeys.userId, filter.userId),
    filter.teamId === undefined ? undefined : eq(virtualKeys.teamId, filter.teamId),
    filter.hash === undefined ? undefined : eq(virtualKeys.hash, filter.hash),
    filter.alias === undefined ? undefined : eq(virtualKeys.keyAlias, filter.alias),
  )
  const order = descending ? desc : asc
  const rows = await db
    .select()
    .from(virtualKeys)
    .where(matching)
    // The hash decides between equals: without it a row could be on two pages or on none.
    .orderBy(order(virtualKeys[sortBy]), order(virtualKeys.hash))
    .offset(offset)
    .limit(limit)
  const [counted] = await db.select({ total: count() }).from(virtualKeys).where(matching)
  return { rows, total: counted?.total ?? 0 }
}

async function insertKey(within: Queries, key: NewVirtualKeyRow, { actor, newId }: Writer): Promise<VirtualKeyRow> {
  const [row] = await within.insert(virtualKeys).values(key).returning().catch(rejectDuplicate)
  if (row === undefined) throw new Error('the insert returned no row')
  await recordKeyChange(within, { row, at: row.updatedAt, action: 'key.generate', actor, newId })
  return row
}

/** Duplicates are found by the unique indexes and by nothing earlier, so that two at once cannot both succeed. */
function rejectDuplicate(error: unknown): never {
  const constraint = uniqueViolation(error)
  if (constraint === undefined) throw error
  const field = constraint === 'virtual_keys_key_alias_unique' ? 'key_alias' : 'key'
  throw new GatewayError('CONFLICT', `${field}: a key with this ${field} exists already. Choose another.`, {
    cause: error,
    details: { field },
  })
}

async function removeKeys(within: Queries, { hashes, aliases }: KeyReferences, { actor, newId }: Writer) {
  const removed = await within
    .delete(virtualKeys)
    .where(or(inArray(virtualKeys.hash, [...hashes]), inArray(virtualKeys.keyAlias, [...aliases])))
    .returning()
  const missing = [
    ...hashes.filter((hash) => !removed.some((row) => row.hash === hash)),
    ...aliases.filter((alias) => !removed.some((row) => row.keyAlias === alias)),
  ]
  if (missing.length > 0) {
    throw new GatewayError('KEY_NOT_FOUND', `No key was deleted, because these do not exist: ${missing.join(', ')}.`, {
      details: { missing },
    })
  }
  for (const row of removed) await recordKeyChange(within, { row, action: 'key.delete', actor, newId })
  return removed.map(({ hash }) => hash)
}

async function blockKey(
  within: Queries,
  { hash, blocked }: { hash: string; blocked: boolean },
  { actor, newId }: Writer,
): Promise<VirtualKeyRow | undefined> {
  const [row] = await within
    .update(virtualKeys)
    .set({ blocked, updatedBy: actor, updatedAt: sql`clock_timestamp()` })
    .where(eq(virtualKeys.hash, hash))
    .returning()
  if (row !== undefined) {
    await recordKeyChange(within, {
      row,
      at: row.updatedAt,
      action: blocked ? 'key.block' : 'key.unblock',
      actor,
      newId,
    })
  }
  return row
}

/** The events are asked and not the keys, because a deleted key has no row to be found by. */
async function changedSince(db: Queries, mark: Date | undefined): Promise<KeyChanges> {
  const [current] = await db
    .select({ epochMs: sql`extract(epoch from now()) * 1000`.mapWith(Number) })
    .from(sql`(values (1)) as one`)
  const next = new Date(current?.epochMs ?? Number.NaN)
  if (mark === undefined) return { changes: [], complete: true, mark: next }
  const rows = await db
    .select({ hash: managementEvents.objectId, at: max(managementEvents.at) })
    .from(managementEvents)
    .where(
      and(
        eq(managementEvents.objectType, 'virtual_key'),
        gte(managementEvents.at, new Date(mark.getTime() - overlapMs)),
      ),
    )
    .groupBy(managementEvents.objectId)
    .limit(mostChanges)
  const changes = rows.flatMap(({ hash, at }) => (at === null ? [] : [{ hash, at }]))
  return { changes, complete: rows.length < mostChanges, mark: next }
}
