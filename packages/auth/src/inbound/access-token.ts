import { GatewayError } from '@toolgate/core'
import type { AccessTokens } from '../oauth/access-tokens.ts'
import type { Consenters } from '../oauth/consenters.ts'
import { hashToken, isToken } from '../oauth/tokens.ts'
import type { Authenticator } from './authenticator.ts'

export interface AccessTokenOptions {
  readonly tokens: Pick<AccessTokens, 'find'>
  readonly consenters: Consenters
}

/**
 * Access tokens that the gateway issued to MCP clients. Each is as good as the key or the person that consented is at this moment, at the
 * endpoint that it is for and nowhere else. Yields what has not the form of one.
 */
export function accessTokenAuthenticator({ tokens, consenters }: AccessTokenOptions): Authenticator {
  return {
    name: 'oauth',
    async authenticate(credential, { signal, asOf }) {
      if (!isToken('access', credential.reveal())) return undefined
      const token = await tokens.find(hashToken(credential), signal, asOf)
      if (token === undefined) throw refused('It has expired or was revoked')
      const principal = await consenters.admit(token.grant, signal)
      if (principal === undefined) throw refused('The key of whoever consented to it is gone')
      const { audience, clientId } = token.grant
      return { ...principal, source: 'oauth', audience, clientId }
    },
  }
}

function refused(why: string): GatewayError {
  return new GatewayError(
    'CREDENTIAL_INVALID',
    `Authentication Error, the access token is not accepted. ${why}: sign in again.`,
  )
}
