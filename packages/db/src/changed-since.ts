/**
 * What a replica missed: the management events of one kind of object since a mark. The events are asked and not the
 * objects, because what was deleted has no row to be found by.
 */
import { and, eq, gte, max, sql } from 'drizzle-orm'
import type { Queries } from './database.ts'
import { managementEvents } from './schema/management-events.ts'

/**
 * How far back a poll looks before its mark. `at` is when a change was written and it is seen when its transaction commits:
 * one that takes longer than this between the two would be missed by the poll (and is still heard on the feed).
 */
const overlapMs = 10_000
/** After a long outage it is cheaper to read again what is used than to list what changed. */
const mostChanges = 10_000

export interface ObjectChanges {
  /** Each object once, with its latest change: a row whose `updatedAt` is not before `at` has it already. */
  readonly changes: readonly ObjectChange[]
  /** False where there were more changes than are worth listing. */
  readonly complete: boolean
  /** The store's own; it means nothing elsewhere. */
  readonly mark: Date
}

export interface ObjectChange {
  readonly id: string
  readonly at: Date
}

/** What changed since the mark of an earlier answer, with some overlap so that nothing is missed; without a mark nothing. */
export async function changedSince(db: Queries, objectType: string, mark: Date | undefined): Promise<ObjectChanges> {
  const [current] = await db
    .select({ epochMs: sql`extract(epoch from now()) * 1000`.mapWith(Number) })
    .from(sql`(values (1)) as one`)
  const next = new Date(current?.epochMs ?? Number.NaN)
  if (mark === undefined) return { changes: [], complete: true, mark: next }
  const rows = await db
    .select({ id: managementEvents.objectId, at: max(managementEvents.at) })
    .from(managementEvents)
    .where(
      and(eq(managementEvents.objectType, objectType), gte(managementEvents.at, new Date(mark.getTime() - overlapMs))),
    )
    .groupBy(managementEvents.objectId)
    .limit(mostChanges)
  const changes = rows.flatMap(({ id, at }) => (at === null ? [] : [{ id, at }]))
  return { changes, complete: rows.length < mostChanges, mark: next }
}
