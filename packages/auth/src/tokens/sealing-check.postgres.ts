import { GatewayError, Secret } from '@toolgate/core'
import { type Queries, sealingKeys } from '@toolgate/db'
import { sql } from 'drizzle-orm'
import type { Sealer } from './sealing.ts'

/** Public on purpose: that it can be opened again is what is checked. */
const checkText = new Secret('toolgate sealing check')
const subject = 'sealing_keys'

/**
 * Says at start what would otherwise be found out with the first secret: that this database was sealed with another
 * encryption key. The first start with a database leaves a value sealed with its key. Rejects with `CONFIGURATION_INVALID`.
 */
export async function verifySealingKey(db: Queries, sealer: Sealer): Promise<void> {
  const checkValue = await sealer.seal(checkText, subject)
  const own = await db.transaction(async (transaction) => {
    // Of two first starts at once, with different keys, the later one must see what the earlier one left.
    await transaction.execute(sql`lock table ${sealingKeys} in share row exclusive mode`)
    const known = await transaction.select().from(sealingKeys)
    if (known.length > 0) return known.find(({ keyId }) => keyId === sealer.keyId)
    await transaction.insert(sealingKeys).values({ keyId: sealer.keyId, checkValue })
    return { checkValue }
  })
  if (own === undefined) throw otherKey()
  await sealer.open(own.checkValue, subject)
}

function otherKey(): GatewayError {
  return new GatewayError(
    'CONFIGURATION_INVALID',
    'This database was sealed with another encryption key. Start with the TOOLGATE_ENCRYPTION_KEY or LITELLM_SALT_KEY it was first started with.',
  )
}
