import { GatewayError, type Secret } from '@toolgate/core'
import { displayKey, hashKey, looksLikeKey } from '../keys/key-format.ts'
import type { Authenticator } from './authenticator.ts'
import type { KeyAdmission } from './key-admission.ts'

/** Virtual keys, by hash. Yields what does not start with `sk-`, so that a hash taken from a database is no key. */
export function virtualKeyAuthenticator(keys: KeyAdmission): Authenticator {
  return {
    name: 'virtual_key',
    async authenticate(credential, { signal }) {
      if (!looksLikeKey(credential.reveal())) return undefined
      const hash = hashKey(credential)
      const principal = await keys.admit(hash, signal)
      if (principal === undefined) throw unknownKey(credential, hash)
      return principal
    },
  }
}

/** LiteLLM's text: clients in the wild look for parts of it. */
function unknownKey(credential: Secret, hash: string): GatewayError {
  return new GatewayError(
    'CREDENTIAL_INVALID',
    `Authentication Error, Invalid proxy server token passed. Received API Key = ${displayKey(credential)}, Key Hash (Token) =${hash}. Unable to find token in cache or \`LiteLLM_VerificationTokenTable\``,
  )
}
