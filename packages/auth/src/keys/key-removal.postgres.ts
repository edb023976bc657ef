/**
 * Deleting keys: all that are named or none. What a key was stays readable in `deleted_keys`; it and its former keys
 * open nothing from then on.
 */
import { GatewayError } from '@toolgate/core'
import { deletedKeys, type Queries, supersededKeys, userTokens, type VirtualKeyRow, virtualKeys } from '@toolgate/db'
import { eq, inArray, or, sql } from 'drizzle-orm'
import { refuseDeletion } from './configured-key.ts'
import { recordKeyChange } from './key-changes.postgres.ts'
import { formerHashes, holdNames, meantByEach } from './key-reference.postgres.ts'
import { tokenRow } from './key-response.ts'
import type { KeyReferences } from './key-store.ts'
import type { Writer } from './key-writes.postgres.ts'

export async function removeKeys(
  within: Queries,
  { hashes, aliases, now }: KeyReferences,
  { actor, newId }: Writer,
): Promise<readonly string[]> {
  await holdNames(within)
  const meant = await meantByEach(within, hashes, now)
  const targets = hashes.map((hash) => meant.get(hash) ?? hash)
  const removed = await within
    .delete(virtualKeys)
    .where(or(inArray(virtualKeys.hash, targets), inArray(virtualKeys.keyAlias, [...aliases])))
    .returning()
  const missing = [
    ...hashes.filter((hash) => !removed.some((row) => row.hash === (meant.get(hash) ?? hash))),
    ...aliases.filter((alias) => !removed.some((row) => row.keyAlias === alias)),
  ]
  if (missing.length > 0) {
    throw new GatewayError('KEY_NOT_FOUND', `No key was deleted, because these do not exist: ${missing.join(', ')}.`, {
      details: { missing },
    })
  }
  for (const row of removed) refuseDeletion(row)
  const ended: string[] = []
  for (const row of removed) {
    await keepDeleted(within, row, actor)
    await recordKeyChange(within, { row, action: 'key.delete', actor, newId })
    const former = await formerHashes(within, row.hash)
    await within.delete(supersededKeys).where(eq(supersededKeys.successorHash, row.hash))
    for (const hash of former) {
      await recordKeyChange(within, { row: { ...row, hash }, action: 'key.end', actor, newId })
    }
    ended.push(row.hash, ...former)
  }
  await dropAccounts(within, ended)
  return ended
}

/** Accounts at servers that were a key's own and no user's: sealed for it, they open for no other. */
export async function dropAccounts(within: Queries, hashes: readonly string[]): Promise<void> {
  await within.delete(userTokens).where(inArray(userTokens.owner, [...hashes]))
}

async function keepDeleted(within: Queries, row: VirtualKeyRow, actor: string): Promise<void> {
  const { hash, keyAlias, userId, teamId } = row
  const kept = { keyAlias, userId, teamId, row: tokenRow(row), deletedBy: actor }
  // A key of somebody's own choice may be made and deleted again.
  await within
    .insert(deletedKeys)
    .values({ hash, ...kept, deletedAt: sql`clock_timestamp()` })
    .onConflictDoUpdate({ target: deletedKeys.hash, set: { ...kept, deletedAt: sql`clock_timestamp()` } })
}
