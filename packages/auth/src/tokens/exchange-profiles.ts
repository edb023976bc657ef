import type { Secret } from '@toolgate/core'
import type { Subject } from './token-endpoint.ts'

export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** RFC 8693 §2.2.2 has `invalid_request` for a token that is not taken; some have the codes of RFC 6749 and RFC 6750. */
const refusedByRfc8693: ReadonlySet<string> = new Set(['invalid_request', 'invalid_grant', 'invalid_token'])
/** The second one where the person has to sign in anew. */
const refusedByEntra: ReadonlySet<string> = new Set(['invalid_grant', 'interaction_required'])

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
    refusedWith: refusedByRfc8693,
  }),
  /** Microsoft Entra's on-behalf-of flow: a JWT as a grant (RFC 7523 §2.1), and a word of its own. */
  entra_obo: (token: Secret, _type: string): Subject => ({
    token,
    parameters: [
      ['grant_type', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      ['requested_token_use', 'on_behalf_of'],
    ],
    name: 'assertion',
    refusedWith: refusedByEntra,
  }),
} as const
