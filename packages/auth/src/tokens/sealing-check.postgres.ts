import { GatewayError, Secret } from '@toolgate/core'
import { type Queries, sealingKeys } from '@toolgate/db'
import type { Sealer } from './sealing.ts'

/** Public on purpose: that it can be opened again is what is checked. */
const checkText = new Secret('toolgate sealing check')

/**
 * Says at start what would otherwise be found out with the first secret: that this database was sealed with another
 * encryption key. The first start with a database leaves a value sealed with its key. Rejects with `INVALID_REQUEST`.
 */
export async function verifySealingKey(db: Queries, sealer: Sealer): Promise<void> {
  const checkValue = await sealer.seal(checkText)
  const known = await db.select({ keyId: sealingKeys.keyId, checkValue: sealingKeys.checkValue }).from(sealingKeys)
  if (known.length === 0) {
    // Replicas that start together leave the same key; the later one changes nothing.
    await db.insert(sealingKeys).values({ keyId: sealer.keyId, checkValue }).onConflictDoNothing()
    return
  }
  const own = known.find(({ keyId }) => keyId === sealer.keyId)
  if (own === undefined) throw otherKey()
  await sealer.open(own.checkValue)
}

function otherKey(): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    'This database was sealed with another encryption key. Start with the TOOLGATE_ENCRYPTION_KEY or LITELLM_SALT_KEY it was first started with.',
  )
}
