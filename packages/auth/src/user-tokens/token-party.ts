import { z } from 'zod'

/** Other schemes read files, or run. */
const webAddress = z.url({ protocol: /^https?$/ })

/** Whom to ask for tokens, and as which client: what is kept, sealed, beside the tokens. */
export const tokenPartySchema = z.object({
  issuer: z.string(),
  metadata: z.object({
    issuer: z.string(),
    authorization_endpoint: webAddress,
    token_endpoint: webAddress,
    response_types_supported: z.array(z.string()),
    code_challenge_methods_supported: z.array(z.string()).optional(),
    token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
    authorization_response_iss_parameter_supported: z.boolean().optional(),
  }),
  client: z.object({ client_id: z.string(), client_secret: z.string().optional() }),
  resource: z.string().optional(),
})

export type TokenParty = z.output<typeof tokenPartySchema>
