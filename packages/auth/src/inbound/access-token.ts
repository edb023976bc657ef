import { GatewayError } from '@toolgate/core'
import type { AccessTokens } from '../oauth/access-tokens.ts'
import { hashToken, isToken } from '../oauth/tokens.ts'
import type { Authenticator } from './authenticator.ts'
import type { KeyAdmission } from './key-admission.ts'

export interface AccessTokenOptions {
  readonly tokens: Pick<AccessTokens, 'find'>
  readonly keys: KeyAdmission
}

/**
 * Access tokens that the gateway issued to MCP clients. Each is as good as the key that consented is at this moment, at the
 * endpoint that it is for and nowhere else. Yields what has not the form of one.
 */
export function accessTokenAuthenticator({ tokens, keys }: AccessTokenOptions): Authenticator {
  return {
    name: 'oauth',
    async authenticate(credential, signal) {
      if (!isToken('access', credential.reveal())) return undefined
      const token = await tokens.find(hashToken(credential), signal)
      if (token === undefined) throw refused('It has expired or was revoked')
      const { keyHash, audience } = token.grant
      const principal = await keys.admit(keyHash, signal)
      if (principal === undefined) throw refused('The key of whoever consented to it is gone')
      return { ...principal, source: 'oauth', audience }
    },
  }
}

function refused(why: string): GatewayError {
  return new GatewayError(
    'CREDENTIAL_INVALID',
    `Authentication Error, the access token is not accepted. ${why}: sign in again.`,
  )
}
