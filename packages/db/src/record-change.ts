import type { NewId } from '@toolgate/core'
import { sql } from 'drizzle-orm'
import { publish } from './changes.ts'
import type { Queries } from './database.ts'
import { managementEvents } from './schema/management-events.ts'

export interface ChangeRecord {
  readonly objectType: string
  readonly objectId: string
  /** Where the object's id is announced. */
  readonly channel: string
  /**
   * The row's new `updatedAt`, so that whoever has the row knows that it has the change; absent for a deletion, which is
   * after every row. Both are `clock_timestamp()`: the time a transaction began may be before a change it waited for.
   */
  readonly at?: Date
  readonly actor: string
  readonly action: string
  /** Never a secret: events are kept for ever. */
  readonly details: Readonly<Record<string, unknown>>
  readonly newId: NewId
}

/** Leaves the event of a change and announces it, in the transaction that makes the change. */
export async function recordChange(within: Queries, { channel, newId, at, ...event }: ChangeRecord): Promise<void> {
  await within.insert(managementEvents).values({ id: newId('event'), at: at ?? sql`clock_timestamp()`, ...event })
  await publish(within, { channel, payload: event.objectId })
}
