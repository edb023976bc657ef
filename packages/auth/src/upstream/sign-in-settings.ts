import { z } from 'zod'
import type { UserTokenClient } from '../user-tokens/upstream-client.ts'
import { secretSetting } from './static-value.ts'

export const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https address' })
/** One text with spaces between, or a list. */
export const scopeList = z.union([z.array(z.string()), z.string().transform((text) => text.split(/\s+/))])

/** What an operator says of the authorization server that the users of a server sign in at, and of the gateway as its client. */
export const signInShape = {
  client_id: z.string().nullish(),
  client_secret: secretSetting,
  issuer: httpUrl.nullish(),
  authorization_url: httpUrl.nullish(),
  token_url: httpUrl.nullish(),
  scopes: scopeList.nullish(),
  resource: z.string().nullish(),
  own_callback: z.boolean().nullish(),
}

const signInSchema = z.object(signInShape)

export function signInClient(settings: z.output<typeof signInSchema>): UserTokenClient {
  return {
    clientId: settings.client_id || undefined,
    clientSecret: settings.client_secret,
    issuer: settings.issuer ?? undefined,
    authorizationUrl: settings.authorization_url ?? undefined,
    tokenUrl: settings.token_url ?? undefined,
    scopes: (settings.scopes ?? []).filter((scope) => scope !== ''),
    resource: settings.resource || undefined,
    ownCallback: settings.own_callback ?? false,
  }
}
