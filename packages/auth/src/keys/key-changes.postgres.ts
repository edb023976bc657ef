import type { NewId } from '@toolgate/core'
import { managementEvents, publish, type Queries, type VirtualKeyRow } from '@toolgate/db'
import { sql } from 'drizzle-orm'
import { keyChangesChannel } from './key-store.ts'

export interface KeyChange {
  readonly row: Pick<VirtualKeyRow, 'hash' | 'keyName' | 'keyAlias' | 'userId' | 'teamId'>
  /**
   * The row's new `updatedAt`, so that whoever has the row knows that it has the change; absent for a deletion, which is
   * after every row. Both are `clock_timestamp()`: the time a transaction began may be before a change it waited for.
   */
  readonly at?: Date
  readonly action: string
  readonly actor: string
  readonly newId: NewId
}

/**
 * Leaves the event of a change and announces it. The event names the key and not its settings: `metadata` is free-form
 * and may hold what must not be kept for ever.
 */
export async function recordKeyChange(within: Queries, { row, at, action, actor, newId }: KeyChange): Promise<void> {
  const { hash, keyName, keyAlias, userId, teamId } = row
  await within.insert(managementEvents).values({
    id: newId('event'),
    at: at ?? sql`clock_timestamp()`,
    actor,
    action,
    objectType: 'virtual_key',
    objectId: hash,
    details: { key_name: keyName, key_alias: keyAlias, user_id: userId, team_id: teamId },
  })
  await publish(within, { channel: keyChangesChannel, payload: hash })
}
