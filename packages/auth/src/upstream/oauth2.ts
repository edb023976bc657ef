import { definePlug, Secret, sharedScope, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import { type ClientCredentialsGrant, clientAuthMethods } from '../tokens/token-endpoint.ts'
import type { UpstreamAuthOptions } from './options.ts'
import { secretSetting, staticValue, staticValueShape, withScheme } from './static-value.ts'

/**
 * `auth_type: oauth2`: the gateway's own token (client credentials), or else the token of a user. A failing token endpoint is
 * an error and never a reason to present something weaker.
 */

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https address' })

const schema = z.strictObject({
  client_id: z.string().nullish(),
  client_secret: secretSetting,
  token_url: httpUrl.nullish(),
  scopes: z.union([z.array(z.string()), z.string().transform((text) => text.split(/\s+/))]).nullish(),
  audience: z.string().nullish(),
  resource: z.string().nullish(),
  authorization_url: httpUrl.nullish(),
  oauth2_flow: z.enum(['client_credentials', 'authorization_code']).nullish(),
  token_endpoint_auth_method: z.enum(clientAuthMethods).nullish(),
  ...staticValueShape,
})

type Oauth2Settings = z.output<typeof schema>

export const oauth2 = definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
  type: 'oauth2',
  schema,
  create(settings, options) {
    const grant = clientCredentialsGrant(settings, options)
    const value = staticValue(settings, options)
    if (grant === undefined) return userToken(value)
    if (value !== undefined) {
      options.report('warning', 'authentication_token is not used: the client credentials of this server come first.')
    }
    return {
      type: 'oauth2',
      forwardsAuthorization: false,
      needsUserToken: false,
      present: options.tokens.of(grant),
    }
  },
})

/** The grant where the settings mean client credentials; `undefined` where they mean a user's token. */
function clientCredentialsGrant(
  settings: Oauth2Settings,
  { report }: UpstreamAuthOptions,
): ClientCredentialsGrant | undefined {
  const { oauth2_flow: flow, token_url: tokenUrl, client_id: clientId, client_secret: clientSecret } = settings
  if (flow === 'authorization_code') return undefined
  if (!tokenUrl || !clientId || !clientSecret) {
    if (flow) report('warning', 'oauth2_flow client_credentials needs token_url, client_id and client_secret.')
    return undefined
  }
  if (!flow && settings.authorization_url) return undefined
  if (!flow) report('info', 'No oauth2_flow given: token_url, client_id and client_secret mean client_credentials.')
  return {
    tokenUrl,
    clientId,
    clientSecret,
    authMethod: settings.token_endpoint_auth_method ?? 'client_secret_post',
    scopes: (settings.scopes ?? []).filter((scope) => scope !== ''),
    audience: settings.audience || undefined,
    resource: settings.resource || undefined,
  }
}

/** A static token is the last resort for those who bring none of their own; with it the server is open to the gateway too. */
function userToken(value: Secret | undefined): UpstreamAuth {
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
    present: async () => presented,
  }
}
