import { definePlug, Secret, sharedScope, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import type { DeclaredGrant } from '../tokens/token-mint.ts'
import type { UserTokens } from '../user-tokens/user-tokens.ts'
import { clientProofShape, proofOf } from './client-proof.ts'
import type { UpstreamAuthOptions } from './options.ts'
import { signInClient, signInShape } from './sign-in-settings.ts'
import { staticValue, staticValueShape, withScheme } from './static-value.ts'

/**
 * `auth_type: oauth2`: the gateway's own token (client credentials), or else the token of a user. A failing token endpoint is
 * an error and never a reason to present something weaker.
 */

const schema = z.strictObject({
  ...signInShape,
  ...clientProofShape,
  audience: z.string().nullish(),
  oauth2_flow: z.enum(['client_credentials', 'authorization_code']).nullish(),
  ...staticValueShape,
})

type Oauth2Settings = z.output<typeof schema>

export const oauth2 = definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
  type: 'oauth2',
  schema,
  create(settings, options) {
    const grant = clientCredentialsGrant(settings, options)
    const value = staticValue(settings, options)
    if (grant === undefined) return userToken(value, options.userTokens?.of(signInClient(settings)))
    if (value !== undefined) {
      options.report('warning', 'authentication_token is not used: the client credentials of this server come first.')
    }
    return {
      type: 'oauth2',
      resolution: 'm2m-client-credentials',
      forwardsAuthorization: false,
      needsUserToken: false,
      present: options.tokens.of(grant),
    }
  },
})

/** The grant where the settings mean client credentials; `undefined` where they mean a user's token. */
function clientCredentialsGrant(settings: Oauth2Settings, { report }: UpstreamAuthOptions): DeclaredGrant | undefined {
  const { oauth2_flow: flow, token_url: tokenUrl, client_id: clientId } = settings
  if (flow === 'authorization_code') return undefined
  const client = proofOf(settings)
  if (!clientId || client === undefined) {
    if (flow || settings.token_endpoint_auth_method === 'private_key_jwt') {
      const needed = 'client_id and client_secret, or with private_key_jwt client_private_key'
      report('warning', `Client credentials need ${needed}.`)
    }
    return undefined
  }
  if (!flow && !tokenUrl) return undefined
  if (!flow && settings.authorization_url) return undefined
  if (!flow)
    report(
      'info',
      'No oauth2_flow given: token_url, client_id and client_secret or client_private_key mean client_credentials.',
    )
  return {
    tokenUrl: tokenUrl ?? undefined,
    issuer: settings.issuer ?? undefined,
    clientId,
    client,
    scopes: (settings.scopes ?? []).filter((scope) => scope !== ''),
    audience: settings.audience || undefined,
    resource: settings.resource || undefined,
  }
}

/**
 * The token that the user has here, else a static one, the last resort for those who have and bring none of their own; with it
 * the server is open to the gateway too.
 */
function userToken(value: Secret | undefined, ofUsers: ReturnType<UserTokens['of']> | undefined): UpstreamAuth {
  const presented = value && {
    type: 'oauth2_static',
    scope: sharedScope,
    headers: new Map([['authorization', new Secret(withScheme('Bearer', value.reveal()))]]),
    rejected: () => false,
  }
  return {
    type: 'oauth2',
    forwardsAuthorization: true,
    needsUserToken: value === undefined,
    userTokens: ofUsers,
    present: async (request) => (await ofUsers?.present(request)) ?? presented,
  }
}
