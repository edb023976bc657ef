/** The end of a refresh token at the authorization server that gave it (RFC 7009). */
import { type FetchLike, selectClientAuthMethod } from '@modelcontextprotocol/client'
import type { Secret } from '@toolgate/core'
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  customFetch,
  None,
  tokenRevocation,
} from 'openid-client'
import { requirePointed } from './sign-in-discovery.ts'
import { clientNow, isOperators, type TokenParty } from './token-party.ts'
import type { AskedParty } from './upstream-client.ts'

/** False where that server takes no token back. Rejects where it was asked and did not say that the token has ended. */
export async function revokeAt({ at, party }: AskedParty, token: Secret, fetchFn: FetchLike): Promise<boolean> {
  const { metadata } = party
  const { revocation_endpoint } = metadata
  if (revocation_endpoint === undefined) return false
  if (isOperators(party, at.client)) requirePointed(at, party.issuer)
  const client = clientNow(party, at.client)
  const server = { issuer: metadata.issuer, revocation_endpoint }
  const asked = new Configuration(server, client.client_id, undefined, proofOf(client, metadata))
  asked[customFetch] = (url, { method, headers, body }) => fetchFn(url, { method, headers, ...(body && { body }) })
  // Whether it may be dialled is for the way out to say, as it is for the token endpoint.
  allowInsecureRequests(asked)
  await tokenRevocation(asked, token.reveal(), { token_type_hint: 'refresh_token' })
  return true
}

/** As at the token endpoint, unless the server says otherwise of this one (RFC 8414 §2). */
function proofOf(client: TokenParty['client'], metadata: TokenParty['metadata']): ClientAuth {
  const { client_secret: secret } = client
  if (secret === undefined) return None()
  const methods =
    metadata.revocation_endpoint_auth_methods_supported ?? metadata.token_endpoint_auth_methods_supported ?? []
  return selectClientAuthMethod(client, methods) === 'client_secret_post'
    ? ClientSecretPost(secret)
    : ClientSecretBasic(secret)
}
