/**
 * Putting another key in the place of one. The row stays and gets another hash; with a grace period the hash that it had
 * goes on meaning it, without one that hash and all former ones end.
 */
import type { NewId } from '@toolgate/core'
import { type Queries, supersededKeys, type VirtualKeyRow } from '@toolgate/db'
import { eq, lt } from 'drizzle-orm'
import { differingColumns } from './changed-settings.ts'
import { recordKeyChange } from './key-changes.postgres.ts'
import { changeNames, formerHashes, lockKey } from './key-reference.postgres.ts'
import type { KeyReference, KeyRegeneration, WrittenKey } from './key-store.ts'
import { dropAccounts } from './key-removal.postgres.ts'
import { announce, claimHash, duplicateKey, namesOf, writePatch } from './key-writes.postgres.ts'

/** For so long a former key is told that it has ended; later it is one that nobody knows. */
const keptAfterEndMs = 86_400_000

export async function regenerateKey(
  within: Queries,
  reference: KeyReference,
  { newId, ...regeneration }: KeyRegeneration & { readonly newId: NewId },
): Promise<WrittenKey | undefined> {
  await changeNames(within)
  const existing = await lockKey(within, reference)
  if (existing === undefined) return undefined
  const { key, actor, action, now } = regeneration
  if (existing.hash === key.hash) throw duplicateKey('new_key')
  const patch = regeneration.change(existing)
  await release(within, existing.hash, key.hash)
  await claimHash(within, key.hash, 'new_key')
  const former = await formerHashes(within, existing.hash)
  const row = await writePatch(within, existing.hash, { ...patch, ...key, updatedBy: actor })
  await supersede(within, existing, regeneration)
  await dropAccounts(within, [existing.hash])
  await within.delete(supersededKeys).where(lt(supersededKeys.validUntil, new Date(now.getTime() - keptAfterEndMs)))
  const changed = namesOf(['hash', ...differingColumns(existing, patch)])
  // Both: whoever has read the one must hear that it changed, and whoever found out that there is no other, too.
  for (const { hash, keyName } of [existing, key]) {
    await recordKeyChange(within, { row: { ...row, hash, keyName }, at: row.updatedAt, action, actor, changed, newId })
  }
  if (regeneration.graceUntil === undefined) {
    for (const hash of former) await recordKeyChange(within, { row: { ...row, hash }, action: 'key.end', actor, newId })
  } else {
    await announce(within, former)
  }
  return { row, hashes: [row.hash, existing.hash, ...former], changed }
}

/** A former key of the very key may take its place again. */
async function release(within: Queries, current: string, wanted: string): Promise<void> {
  const [former] = await within
    .select({ successor: supersededKeys.successorHash })
    .from(supersededKeys)
    .where(eq(supersededKeys.hash, wanted))
  if (former?.successor === current) await within.delete(supersededKeys).where(eq(supersededKeys.hash, wanted))
}

async function supersede(
  within: Queries,
  { hash }: Pick<VirtualKeyRow, 'hash'>,
  { key, graceUntil }: KeyRegeneration,
): Promise<void> {
  if (graceUntil === undefined) {
    await within.delete(supersededKeys).where(eq(supersededKeys.successorHash, hash))
    return
  }
  await within.update(supersededKeys).set({ successorHash: key.hash }).where(eq(supersededKeys.successorHash, hash))
  await within.insert(supersededKeys).values({ hash, successorHash: key.hash, validUntil: graceUntil })
}
