import { GatewayError, Secret } from '@toolgate/core'
import { type Queries, sealingKeys } from '@toolgate/db'
import { desc, sql } from 'drizzle-orm'
import type { Sealer } from './sealing.ts'

/** Public on purpose: that it can be opened again is what is checked. */
const checkText = new Secret('toolgate sealing check')
const subject = 'sealing_keys'

type ListedKey = typeof sealingKeys.$inferSelect

/**
 * Says at start what would otherwise be found out with the first secret: that this database was sealed with another
 * encryption key. The first start with a database leaves a value sealed with its key. From then on the database says which
 * of the keys seals, so that replicas with a new key wait for each other. Rejects with `CONFIGURATION_INVALID`.
 */
export async function verifySealingKey(db: Queries, sealer: Sealer): Promise<void> {
  const listed = await db.transaction(async (transaction) => {
    const known = await lockedKeys(transaction)
    if (known.length > 0) return known
    return [await listKey(transaction, sealer, sealer.wantedKeyId)]
  })
  await openAll(listed, sealer)
  await sealAsListed(listed, sealer)
}

/** The keys of the database, the one to seal with first. Until the transaction ends nobody else lists one. */
export async function lockedKeys(transaction: Queries): Promise<readonly ListedKey[]> {
  // Of two first starts at once, with different keys, the later one must see what the earlier one left.
  await transaction.execute(sql`lock table ${sealingKeys} in share row exclusive mode`)
  return readKeys(transaction)
}

export function readKeys(db: Queries): Promise<ListedKey[]> {
  return db.select().from(sealingKeys).orderBy(desc(sealingKeys.createdAt), desc(sealingKeys.keyId))
}

/** Makes a key the one to seal with, for everybody. */
export async function listKey(transaction: Queries, sealer: Sealer, keyId: string): Promise<ListedKey> {
  if (!sealer.sealWith(keyId)) throw otherKey()
  const checkValue = await sealer.seal(checkText, subject)
  // Not the start of the transaction, which may have waited for its turn.
  const createdAt = sql`clock_timestamp()`
  const [listed] = await transaction
    .insert(sealingKeys)
    .values({ keyId, checkValue, createdAt })
    .onConflictDoUpdate({ target: sealingKeys.keyId, set: { checkValue, createdAt } })
    .returning()
  if (listed === undefined) throw new Error('the insert returned no row')
  return listed
}

/** Rejects with `CONFIGURATION_INVALID` where something may be sealed with a key that is not configured. */
export async function openAll(listed: readonly ListedKey[], sealer: Sealer): Promise<void> {
  const [current, ...former] = listed
  if (current !== undefined && !sealer.keyIds.includes(current.keyId)) throw otherKey()
  if (former.some(({ keyId }) => !sealer.keyIds.includes(keyId))) throw formerKey()
  for (const { checkValue } of listed) await sealer.open(checkValue, subject)
}

/** False where the key that the database says is not among those of this gateway. */
export async function sealAsListed(listed: readonly Pick<ListedKey, 'keyId'>[], sealer: Sealer): Promise<boolean> {
  const [current] = listed
  return current !== undefined && sealer.sealWith(current.keyId)
}

function otherKey(): GatewayError {
  return new GatewayError(
    'CONFIGURATION_INVALID',
    'This database was sealed with another encryption key. Start with the TOOLGATE_ENCRYPTION_KEY or LITELLM_SALT_KEY it was first started with; for a new one see "Rotating keys" in docs/operations.md.',
  )
}

function formerKey(): GatewayError {
  return new GatewayError(
    'CONFIGURATION_INVALID',
    'Values of this database may still be sealed with a former encryption key. Give it in TOOLGATE_ENCRYPTION_KEY_PREVIOUS (or LITELLM_SALT_KEY_PREVIOUS) until "keys rotate-encryption" has said that nothing is left.',
  )
}
