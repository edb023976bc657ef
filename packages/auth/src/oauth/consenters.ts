import { GatewayError, type Principal } from '@toolgate/core'
import type { SignedInPerson } from '@toolgate/db'
import type { KeyAdmission } from '../inbound/key-admission.ts'
import type { People } from './people.ts'

/** Who said yes to a client: the holder of a virtual key, or a person whom the company's identity provider knows. */
export interface Consenter {
  /** Of a person: of issuer and user. */
  readonly keyHash: string
  readonly person: SignedInPerson | null
}

/** Who that is at this moment, and what they may do. */
export interface Consenters {
  /** Undefined where the key is gone. Rejects with `KEY_BLOCKED`, `KEY_EXPIRED`, `CREDENTIAL_INVALID` or `STORE_UNAVAILABLE`. */
  admit(consenter: Consenter, signal: AbortSignal): Promise<Principal | undefined>
  /** The same for whoever only asks: undefined as well where they may not come in. That it could not be found out is no answer. */
  look(consenter: Consenter, signal: AbortSignal): Promise<Principal | undefined>
}

const unusable: ReadonlySet<string> = new Set(['KEY_BLOCKED', 'KEY_EXPIRED', 'CREDENTIAL_INVALID'])

export function createConsenters({
  keys,
  people,
}: {
  readonly keys: KeyAdmission
  readonly people: People
}): Consenters {
  const admit: Consenters['admit'] = async ({ keyHash, person }, signal) =>
    person === null ? keys.admit(keyHash, signal) : people.admit(person)
  return { admit, look: (consenter, signal) => admit(consenter, signal).catch(unlessUnusable) }
}

function unlessUnusable(error: unknown): undefined {
  if (error instanceof GatewayError && unusable.has(error.code)) return undefined
  throw error
}
