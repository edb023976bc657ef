/** What a client says of itself, in a registration (RFC 7591) or in a document at its own address (CIMD). Bounded, and believed in nothing. */
import { z } from 'zod'
import { oauthError } from './oauth-error.ts'
import { isRedirectUri } from './redirect-uris.ts'

/** Neither half a character nor U+0000, which no store keeps. */
const readable = z.string().refine((value) => value.isWellFormed() && !value.includes('\0'), {
  error: 'holds a character that is none',
})
const text = readable.max(512)
const address = readable.max(2_048)

export const clientMetadataSchema = z.object({
  redirect_uris: z.array(address).min(1).max(20),
  client_name: text.optional(),
  token_endpoint_auth_method: text.optional(),
  grant_types: z.array(text).max(10).optional(),
  response_types: z.array(text).max(10).optional(),
  application_type: text.optional(),
  client_uri: address.optional(),
  logo_uri: address.optional(),
  tos_uri: address.optional(),
  policy_uri: address.optional(),
  scope: readable.max(1_024).optional(),
  contacts: z.array(text).max(10).optional(),
  software_id: text.optional(),
  software_version: text.optional(),
})

/** Characters of all that is kept of a client: strangers fill as many rows as there may be. */
const longestMetadata = 8_192

export type ClientMetadata = z.output<typeof clientMetadataSchema>

/** Throws in the words of RFC 7591 §3.2.2. Unknown members are left out (§2). */
export function readClientMetadata(value: object): ClientMetadata {
  const parsed = clientMetadataSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const field = issue?.path.join('.') ?? ''
    const error = field.startsWith('redirect_uris') ? 'invalid_redirect_uri' : 'invalid_client_metadata'
    throw oauthError(error, `${field}: ${issue?.message}`)
  }
  if (JSON.stringify(parsed.data).length > longestMetadata) {
    throw oauthError('invalid_client_metadata', `All together must be at most ${longestMetadata} characters.`)
  }
  const { redirect_uris, grant_types, response_types } = parsed.data
  if (!redirect_uris.every(isRedirectUri)) {
    throw oauthError(
      'invalid_redirect_uri',
      'redirect_uris: each must be an https address, an http address on loopback or one of an application, without fragment or user.',
    )
  }
  if (grant_types?.includes('authorization_code') === false || response_types?.includes('code') === false) {
    throw oauthError('invalid_client_metadata', 'Only clients of the authorization code flow can be registered here.')
  }
  return parsed.data
}

/** What a client may do. Where it does not say, it gets refresh tokens: that it may not is for it to say. */
export function grantTypesOf({ grant_types: asked }: ClientMetadata): readonly string[] {
  return asked === undefined || asked.includes('refresh_token')
    ? ['authorization_code', 'refresh_token']
    : ['authorization_code']
}

const longestName = 80

/** A name as it may be shown: without what could break out of its line or turn the text around it. */
export function displayName(name: string | undefined): string | undefined {
  const plain = name?.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
  if (plain === undefined || plain === '') return undefined
  return plain.length <= longestName ? plain : `${plain.slice(0, longestName)}…`
}
