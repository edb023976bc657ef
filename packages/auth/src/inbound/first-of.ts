import { type ErrorCode, type GatewayError, toGatewayError } from '@toolgate/core'
import type { Authenticator } from './authenticator.ts'

/**
 * What a failure says about the credential: "no good" is the weakest, since another way may know it; "known and not
 * allowed" is a fact; "could not find out" outranks both, since a store that is away makes nobody's key invalid.
 */
const ranks: Partial<Record<ErrorCode, number>> = {
  CREDENTIAL_MISSING: 1,
  CREDENTIAL_INVALID: 1,
  CREDENTIAL_CONFLICT: 1,
  KEY_EXPIRED: 2,
  KEY_BLOCKED: 2,
  ADMIN_ONLY: 2,
}
const couldNotFindOut = 3

/** Asks in order; the first principal wins. Else throws the most telling failure, or yields where all do. */
export function firstOf(authenticators: readonly Authenticator[]): Authenticator {
  return {
    name: authenticators.map(({ name }) => name).join(', '),
    async authenticate(credential, moment) {
      let failure: GatewayError | undefined
      for (const authenticator of authenticators) {
        try {
          const principal = await authenticator.authenticate(credential, moment)
          if (principal !== undefined) return principal
        } catch (error) {
          moment.signal.throwIfAborted()
          // Kept, and thrown below unless another way answers.
          failure = moreTelling(failure, toGatewayError(error))
        }
      }
      if (failure !== undefined) throw failure
      return undefined
    },
  }
}

function moreTelling(first: GatewayError | undefined, second: GatewayError): GatewayError {
  return first !== undefined && rankOf(first) >= rankOf(second) ? first : second
}

function rankOf({ code }: GatewayError): number {
  return ranks[code] ?? couldNotFindOut
}
