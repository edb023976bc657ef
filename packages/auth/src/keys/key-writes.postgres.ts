/**
 * Making and changing one key: the row is locked, read, changed in the columns that differ, recorded and announced, in one
 * transaction. Duplicates are found by the unique indexes and by nothing earlier, so that of two at once one fails.
 */
import { GatewayError, type NewId } from '@toolgate/core'
import {
  type NewVirtualKeyRow,
  publish,
  type Queries,
  supersededKeys,
  uniqueViolation,
  type VirtualKeyRow,
  virtualKeys,
} from '@toolgate/db'
import { and, eq, lte, sql } from 'drizzle-orm'
import { differingColumns, type KeyPatch } from './changed-settings.ts'
import { recordKeyChange } from './key-changes.postgres.ts'
import { formerHashes, holdNames, lockKey } from './key-reference.postgres.ts'
import { keyChangesChannel, type KeyReference, type KeyUpdate, type WrittenKey } from './key-store.ts'

/** Who writes, and what makes the ids of the events. */
export interface Writer {
  readonly actor: string
  readonly newId: NewId
}

export async function insertKey(
  within: Queries,
  key: NewVirtualKeyRow,
  { actor, newId }: Writer,
): Promise<VirtualKeyRow> {
  await holdNames(within)
  await claimHash(within, key.hash, 'key')
  const [row] = await within.insert(virtualKeys).values(key).returning().catch(duplicateOf('key'))
  if (row === undefined) throw new Error('the insert returned no row')
  await recordKeyChange(within, { row, at: row.updatedAt, action: 'key.generate', actor, newId })
  return row
}

export async function updateKey(
  within: Queries,
  reference: KeyReference,
  { newId, ...update }: KeyUpdate & { readonly newId: NewId },
): Promise<WrittenKey | undefined> {
  await holdNames(within)
  const existing = await lockKey(within, reference)
  if (existing === undefined) return undefined
  const patch = update.change(existing)
  const changed = namesOf(differingColumns(existing, patch))
  const former = await formerHashes(within, existing.hash)
  const hashes = [existing.hash, ...former]
  if (changed.length === 0) return { row: existing, hashes, changed }
  const row = await writePatch(within, existing.hash, { ...patch, updatedBy: update.actor })
  await recordKeyChange(within, {
    row,
    at: row.updatedAt,
    action: update.action,
    actor: update.actor,
    changed,
    newId,
  })
  await announce(within, former)
  return { row, hashes, changed }
}

interface WrittenPatch extends KeyPatch {
  readonly updatedBy: string
  readonly hash?: string
  readonly keyName?: string
}

/** Columns that are undefined are kept. */
export async function writePatch(within: Queries, hash: string, patch: WrittenPatch): Promise<VirtualKeyRow> {
  const [row] = await within
    .update(virtualKeys)
    .set({ ...patch, updatedAt: sql`clock_timestamp()` })
    .where(eq(virtualKeys.hash, hash))
    .returning()
    .catch(duplicateOf('new_key'))
  if (row === undefined) throw new Error('a locked row was not found')
  return row
}

/** Former keys have rows of their own in memory and none to record a change of: the change is their successor's. */
export async function announce(within: Queries, hashes: readonly string[]): Promise<void> {
  for (const hash of hashes) await publish(within, { channel: keyChangesChannel, payload: hash })
}

/** A key that goes on for a while as the former key of another is taken; one that is over is free. */
export async function claimHash(within: Queries, hash: string, field: string): Promise<void> {
  const own = eq(supersededKeys.hash, hash)
  await within.delete(supersededKeys).where(and(own, lte(supersededKeys.validUntil, sql`clock_timestamp()`)))
  const taken = await within.select({ hash: supersededKeys.hash }).from(supersededKeys).where(own)
  if (taken.length > 0) throw duplicateKey(field)
}

/** Names of columns as the API has them. */
export function namesOf(columns: readonly string[]): readonly string[] {
  return columns.map((column) => column.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)).toSorted()
}

function duplicateOf(keyField: string): (error: unknown) => never {
  return (error) => {
    const constraint = uniqueViolation(error)
    if (constraint === undefined) throw error
    throw duplicateKey(constraint === 'virtual_keys_key_alias_unique' ? 'key_alias' : keyField, error)
  }
}

/** `field` is the one of the request that would make a second of its kind. */
export function duplicateKey(field: string, cause?: unknown): GatewayError {
  const what = field === 'new_key' ? 'key' : field
  return new GatewayError('CONFLICT', `${field}: a key with this ${what} exists already. Choose another.`, {
    cause,
    details: { field },
  })
}
