import type { Secret } from '@toolgate/core'
import type { Subject } from './token-endpoint.ts'

export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** How an authorization server is asked to exchange a token. LiteLLM's names. */
export const exchangeProfiles = {
  /** RFC 8693 §2.1. */
  rfc8693: (token: Secret, type: string): Subject => ({
    token,
    parameters: [
      ['grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      ['subject_token_type', type],
    ],
    name: 'subject_token',
  }),
  /** Microsoft Entra's on-behalf-of flow: a JWT as a grant (RFC 7523 §2.1), and a word of its own. */
  entra_obo: (token: Secret, _type: string): Subject => ({
    token,
    parameters: [
      ['grant_type', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      ['requested_token_use', 'on_behalf_of'],
    ],
    name: 'assertion',
  }),
} as const
