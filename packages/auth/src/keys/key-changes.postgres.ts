import type { NewId } from '@toolgate/core'
import { type Queries, recordChange, type VirtualKeyRow } from '@toolgate/db'
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
  /** Names of the fields that changed; never what they hold. */
  readonly changed?: readonly string[]
  readonly newId: NewId
}

/**
 * Leaves the event of a change and announces it. The event names the key and not its settings: `metadata` is free-form
 * and may hold what must not be kept for ever.
 */
export async function recordKeyChange(
  within: Queries,
  { row, at, action, actor, changed, newId }: KeyChange,
): Promise<void> {
  const { hash, keyName, keyAlias, userId, teamId } = row
  await recordChange(within, {
    objectType: 'virtual_key',
    objectId: hash,
    channel: keyChangesChannel,
    actor,
    action,
    newId,
    ...(at !== undefined && { at }),
    details: {
      key_name: keyName,
      key_alias: keyAlias,
      user_id: userId,
      team_id: teamId,
      ...(changed !== undefined && { changed }),
    },
  })
}
