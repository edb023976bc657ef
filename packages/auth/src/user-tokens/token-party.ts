import type { Secret } from '@toolgate/core'
import { z } from 'zod'

/** Other schemes read files, or run. */
const webAddress = z.url({ protocol: /^https?$/ })

/** Whom to ask for tokens, and as which client: what is kept, sealed, beside the tokens. */
export const tokenPartySchema = z.object({
  issuer: z.string(),
  /** Nobody said which it is: the operator wrote where its endpoints are. */
  issuerIsGuessed: z.boolean().optional(),
  metadata: z.object({
    issuer: z.string(),
    authorization_endpoint: webAddress,
    token_endpoint: webAddress,
    response_types_supported: z.array(z.string()),
    code_challenge_methods_supported: z.array(z.string()).optional(),
    token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
    authorization_response_iss_parameter_supported: z.boolean().optional(),
    // Whoever writes something else here can be signed in to all the same.
    revocation_endpoint: webAddress.optional().catch(undefined),
    revocation_endpoint_auth_methods_supported: z.array(z.string()).optional().catch(undefined),
  }),
  client: z.object({ client_id: z.string(), client_secret: z.string().optional() }),
  resource: z.string().optional(),
})

export type TokenParty = z.output<typeof tokenPartySchema>

/**
 * What an answer says of its issuer, as it can be compared (RFC 9207 §2.4). Where only the endpoints are known, it is the one whose
 * they are, if it is at the place of one of them.
 */
export function comparableIssuer(
  iss: string | undefined,
  { issuer, issuerIsGuessed, metadata }: Omit<TokenParty, 'client'>,
): string | undefined {
  const origin = iss === undefined ? undefined : URL.parse(iss)?.origin
  if (issuerIsGuessed !== true || origin === undefined) return iss
  const places = [metadata.authorization_endpoint, metadata.token_endpoint].map((url) => new URL(url).origin)
  return places.includes(origin) ? issuer : iss
}

interface OperatorsClient {
  readonly clientId: string | undefined
  readonly clientSecret: Secret | undefined
}

export function isOperators({ client }: TokenParty, { clientId }: Pick<OperatorsClient, 'clientId'>): boolean {
  return client.client_id === clientId
}

/** Without the operator's secret, which is in the settings and nowhere else. */
export function keptParty(party: TokenParty, operators: Pick<OperatorsClient, 'clientId'>): TokenParty {
  return isOperators(party, operators) ? { ...party, client: { client_id: party.client.client_id } } : party
}

/** As whom to ask now: a new secret of the operator's counts at once, also for those who signed in before. */
export function clientNow(party: TokenParty, operators: OperatorsClient): TokenParty['client'] {
  if (!isOperators(party, operators)) return party.client
  return { client_id: party.client.client_id, client_secret: operators.clientSecret?.reveal() }
}
