import { Secret } from '@toolgate/core'
import { z } from 'zod'
import { readPrivateKey } from '../tokens/client-assertion.ts'
import { type ClientProof, clientAuthMethods } from '../tokens/token-endpoint.ts'
import { secretSetting } from './static-value.ts'

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const

/** Not trimmed to one line: a PEM has several. */
const privateKey = z
  .string()
  .nullish()
  .refine((text) => !text || readPrivateKey(text) !== undefined, {
    error: 'must be a private key without a passphrase, as PEM or JWK',
  })
  .transform((text) => (text ? new Secret(text) : undefined))

/** How the gateway shows at a token endpoint that it is the client. */
export const clientProofShape = {
  client_secret: secretSetting,
  client_private_key: privateKey,
  client_private_key_id: z.string().nullish(),
  client_assertion_signing_alg: z.enum(algorithms).nullish(),
  token_endpoint_auth_method: z.enum(clientAuthMethods).nullish(),
}

const schema = z.object(clientProofShape)

/** A private key alone means `private_key_jwt`. `undefined` where what the method needs is missing. */
export function proofOf(settings: z.output<typeof schema>): ClientProof | undefined {
  const { client_secret: secret, client_private_key: key, token_endpoint_auth_method: declared } = settings
  const method = declared ?? (secret === undefined && key !== undefined ? 'private_key_jwt' : 'client_secret_post')
  if (method !== 'private_key_jwt') return secret && { method, secret }
  const keyId = settings.client_private_key_id || undefined
  const algorithm = settings.client_assertion_signing_alg ?? undefined
  return key && { method, key: { privateKey: key, keyId, algorithm } }
}
