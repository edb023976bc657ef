import type { RateLimit } from '@toolgate/auth'
import { GatewayError } from '@toolgate/core'

/**
 * Tries a key, within what may be tried from one address: keys that there are not. Whoever has a key takes nothing from
 * others behind the same address, and an outage is nobody's guess. Throws `TOO_MANY_REQUESTS`, and as `work` does.
 */
export async function tryKey<Result>(limit: RateLimit, address: string, work: () => Promise<Result>): Promise<Result> {
  const takeBack = limit.count(address)
  let isGuess = false
  try {
    return await work()
  } catch (error) {
    isGuess = error instanceof GatewayError && error.code === 'CREDENTIAL_INVALID'
    throw error
  } finally {
    if (!isGuess) takeBack()
  }
}
