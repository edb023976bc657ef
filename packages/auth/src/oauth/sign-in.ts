import { GatewayError, type Secret } from '@toolgate/core'
import type { KeyAdmission } from '../inbound/key-admission.ts'
import { hashKey, looksLikeKey } from '../keys/key-format.ts'
import type { Consenter } from './consenters.ts'

/**
 * Who says yes: the holder of the virtual key that was typed. The master key is refused here: what it consented to would be an
 * administrator for half a year. Rejects as `authenticate` does.
 */
export type SignIn = (credential: Secret, signal: AbortSignal) => Promise<Consenter>

export function createSignIn({ keys, masterKey }: { readonly keys: KeyAdmission; readonly masterKey: Secret }): SignIn {
  return async (credential, signal) => {
    if (masterKey.equals(credential.reveal())) {
      throw refused(
        'This is the master key, which is for administration. Make a virtual key with it, and sign in with that.',
      )
    }
    if (!looksLikeKey(credential.reveal())) throw refused('This is no key of this gateway: keys begin with "sk-".')
    // Also of a former key, which goes on for a while: it gives no more than that while.
    const hash = hashKey(credential)
    if ((await keys.admit(hash, signal)) === undefined) throw refused('There is no such key here.')
    return { keyHash: hash, person: null }
  }
}

/** For the eyes of whoever typed it. */
function refused(message: string): GatewayError {
  return new GatewayError('CREDENTIAL_INVALID', message)
}
