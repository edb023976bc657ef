/** Which keys are due, for the schedule of `rotation-worker.ts`. */
import { type NewId, randomId } from '@toolgate/core'
import {
  writeStore,
  type Database,
  lockNumbers,
  managementEvents,
  type Queries,
  type VirtualKeyRow,
  virtualKeys,
} from '@toolgate/db'
import { and, asc, eq, lte, notExists, sql } from 'drizzle-orm'
import type { KeyRotationStore } from './key-store.ts'

const action = 'key.rotation_due'
/** Whoever has it looks for due keys; the others have nothing to do. */
const turnLock = lockNumbers.keyRotation

export function createPostgresKeyRotationStore({ db }: Database, newId: NewId = randomId): KeyRotationStore {
  return {
    takeDue: (now, limit) => writeStore(db, (within) => takeDue(within, { now, limit, newId })),
  }
}

interface Taking {
  readonly now: Date
  readonly limit: number
  readonly newId: NewId
}

async function takeDue(within: Queries, { now, limit, newId }: Taking): Promise<readonly VirtualKeyRow[]> {
  const [turn] = await within
    .select({ mine: sql`pg_try_advisory_xact_lock(${turnLock})`.mapWith(Boolean) })
    .from(sql`(values (1)) as one`)
  if (turn?.mine !== true) return []
  const rows = await within
    .select()
    .from(virtualKeys)
    .where(
      and(
        lte(virtualKeys.keyRotationAt, now),
        eq(virtualKeys.autoRotate, true),
        eq(virtualKeys.origin, 'api'),
        notExists(eventOfThisTime(within)),
      ),
    )
    .orderBy(asc(virtualKeys.keyRotationAt))
    .limit(limit)
  for (const { hash, keyName, keyAlias, keyRotationAt } of rows) {
    await within.insert(managementEvents).values({
      id: newId('event'),
      at: sql`clock_timestamp()`,
      actor: 'rotation',
      action,
      objectType: 'virtual_key',
      objectId: hash,
      details: { key_name: keyName, key_alias: keyAlias, due_ms: keyRotationAt?.getTime() },
    })
  }
  return rows
}

/** A key that was not regenerated is due once: its event names the time it was due at. */
function eventOfThisTime(within: Queries) {
  const dueMs = sql`(extract(epoch from ${virtualKeys.keyRotationAt}) * 1000)::bigint::text`
  return within
    .select({ id: managementEvents.id })
    .from(managementEvents)
    .where(
      and(
        eq(managementEvents.objectType, 'virtual_key'),
        eq(managementEvents.action, action),
        eq(managementEvents.objectId, virtualKeys.hash),
        sql`${managementEvents.details} ->> 'due_ms' = ${dueMs}`,
      ),
    )
}
