import { GatewayError, type Principal, type Secret } from '@toolgate/core'
import type { DefaultAccess } from '../keys/grants.ts'
import { type AccessTokenOptions, accessTokenAuthenticator } from './access-token.ts'
import type { Moment } from './authenticator.ts'
import { firstOf } from './first-of.ts'
import { jwtAuthenticator, type JwtAuthenticatorOptions } from './jwt/jwt.ts'
import type { KeyAdmission } from './key-admission.ts'
import { masterKeyAuthenticator } from './master-key.ts'
import { virtualKeyAuthenticator } from './virtual-key.ts'

export interface AuthenticatorOptions {
  readonly masterKey: Secret
  readonly keys: KeyAdmission
  /** As in `KeyAdmissionOptions`, for tokens of identity providers. */
  readonly defaultAccess: () => DefaultAccess
  /** Absent: the gateway has issued none. */
  readonly issued?: AccessTokenOptions | undefined
  /** Absent: tokens of identity providers are no credentials. */
  readonly jwt?: Omit<JwtAuthenticatorOptions, 'defaultAccess'> | undefined
}

/**
 * Who a presented credential is. Rejects with `CREDENTIAL_MISSING`, `CREDENTIAL_INVALID`, `KEY_EXPIRED`, `KEY_BLOCKED`, or
 * `STORE_UNAVAILABLE` where that cannot be found out; no message holds more of the credential than its last characters. `asOf` as in {@link Moment}.
 */
export type Authenticate = (
  credential: Secret | undefined,
  signal: AbortSignal,
  asOf?: Moment['asOf'],
) => Promise<Principal>

/** More than any kind of credential is long; what is longer is not worth a hash. */
const longestCredential = 8192

export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const { masterKey, keys, issued, jwt, defaultAccess } = options
  const ways = firstOf([
    masterKeyAuthenticator(masterKey),
    virtualKeyAuthenticator(keys),
    ...(issued === undefined ? [] : [accessTokenAuthenticator(issued)]),
    ...(jwt === undefined ? [] : [jwtAuthenticator({ ...jwt, defaultAccess })]),
  ])
  return async (credential, signal, asOf) => {
    if (credential === undefined) {
      throw new GatewayError('CREDENTIAL_MISSING', 'Authentication Error, No api key passed in.')
    }
    if (!isWellFormedCredential(credential.reveal())) {
      throw new GatewayError('CREDENTIAL_INVALID', 'Authentication Error, the api key passed in is malformed.')
    }
    const principal = await ways.authenticate(credential, { signal, asOf })
    if (principal !== undefined) return principal
    throw new GatewayError(
      'CREDENTIAL_INVALID',
      "Authentication Error, LiteLLM Virtual Key expected. The api key passed in does not start with 'sk-'.",
    )
  }
}

/** Visible characters of ASCII without spaces, as every kind of token has them (RFC 6750 §2.1 is narrower). */
export function isWellFormedCredential(text: string): boolean {
  return text.length <= longestCredential && /^[\x21-\x7e]+$/.test(text)
}
