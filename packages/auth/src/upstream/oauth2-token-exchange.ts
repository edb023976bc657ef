import { definePlug, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import { accessTokenType, exchangeProfiles } from '../tokens/exchange-profiles.ts'
import { bearerOf, type DeclaredExchange } from '../tokens/token-exchange.ts'
import { clientProofShape, proofOf } from './client-proof.ts'
import type { UpstreamAuthOptions } from './options.ts'
import { httpUrl, scopeList } from './sign-in-settings.ts'

const schema = z.strictObject({
  client_id: z.string().nullish(),
  ...clientProofShape,
  token_exchange_endpoint: httpUrl.nullish(),
  token_url: httpUrl.nullish(),
  issuer: httpUrl.nullish(),
  scopes: scopeList.nullish(),
  audience: z.string().nullish(),
  resource: z.string().nullish(),
  subject_token_type: z.string().nullish(),
  token_exchange_profile: z.enum(['rfc8693', 'entra_obo']).nullish(),
})

type Settings = z.output<typeof schema>

/**
 * `auth_type: oauth2_token_exchange`: what the caller brings is exchanged for a token of this server, on the caller's behalf (RFC 8693,
 * or Entra's on-behalf-of flow). Whoever brings nothing is told to; the gateway never goes as itself instead.
 */
export const oauth2TokenExchange = definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
  type: 'oauth2_token_exchange',
  schema,
  create(settings, { exchange, report }) {
    const declared = declaredExchange(settings)
    if (declared === undefined) {
      const needed = 'client_id and client_secret, or with private_key_jwt client_private_key'
      report(
        'warning',
        `A token exchange needs ${needed}: only requests that bring a credential for this server reach it.`,
      )
    }
    return {
      type: 'oauth2_token_exchange',
      resolution: 'token-exchange',
      forwardsAuthorization: false,
      needsUserToken: true,
      exchanges: (caller) => declared !== undefined && bearerOf(caller) !== undefined,
      present: declared === undefined ? async () => undefined : exchange.of(declared),
    }
  },
})

function declaredExchange(settings: Settings): DeclaredExchange | undefined {
  const client = proofOf(settings)
  if (!settings.client_id || client === undefined) return undefined
  const profile = exchangeProfiles[settings.token_exchange_profile ?? 'rfc8693']
  const type = settings.subject_token_type || accessTokenType
  return {
    grant: {
      tokenUrl: settings.token_exchange_endpoint ?? settings.token_url ?? undefined,
      issuer: settings.issuer ?? undefined,
      clientId: settings.client_id,
      client,
      scopes: (settings.scopes ?? []).filter((scope) => scope !== ''),
      audience: settings.audience || undefined,
      resource: settings.resource || undefined,
    },
    subjectOf: (token) => profile(token, type),
  }
}
