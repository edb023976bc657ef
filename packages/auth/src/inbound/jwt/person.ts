/** Who a person is to an identity provider: what its claims say, as far as anything here is decided by it. Pure. */
import { createHash } from 'node:crypto'
import { GatewayError, isJsonObject, type JsonValue } from '@toolgate/core'
import type { SignedInPerson } from '@toolgate/db'
import { z } from 'zod'
import type { JwtIssuer } from './jwt-settings.ts'

/** Where in what claims what stands. */
export type ClaimsOf = Pick<JwtIssuer, 'issuer' | 'claims'>

/** Longer ones are no ids, and ids stand in keys of maps and in rows. */
const longestId = 512

export const signedInPersonSchema = z.object({
  issuer: z.string(),
  user: z.string(),
  team: z.string().nullable(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()),
})

/** Throws `CREDENTIAL_INVALID` where the claim that names the user is missing. */
export function personIn(payload: unknown, { issuer, claims }: ClaimsOf): SignedInPerson {
  const user = idAt(payload, claims.userId)
  if (user === undefined) {
    throw new GatewayError('CREDENTIAL_INVALID', `Authentication Error, the token has no claim "${claims.userId}".`)
  }
  return {
    issuer,
    user,
    team: (claims.teamId === undefined ? undefined : idAt(payload, claims.teamId)) ?? null,
    roles: claims.roles === undefined ? [] : wordsAt(payload, claims.roles),
    scopes: wordsAt(payload, claims.scopes),
  }
}

/** In the place of a key's hash: whose rows and quotas these are. */
export function personHash({ issuer, user }: SignedInPerson): string {
  return createHash('sha256')
    .update(JSON.stringify(['jwt', issuer, user]))
    .digest('hex')
}

/** A list of texts, or one text of words with spaces between (RFC 8693 §4.2, `scope`). */
function wordsAt(payload: unknown, path: string): readonly string[] {
  const value = valueAt(payload, path)
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function idAt(payload: unknown, path: string): string | undefined {
  const value = valueAt(payload, path)
  return typeof value === 'string' && value !== '' && value.length <= longestId ? value : undefined
}

/** A claim whose own name has dots (such as one that is a URL) comes before a path. */
function valueAt(claims: unknown, path: string): JsonValue | undefined {
  if (!isJsonObject(claims)) return undefined
  if (Object.hasOwn(claims, path)) return claims[path]
  return path
    .split('.')
    .reduce<JsonValue | undefined>(
      (value, key) => (isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      claims,
    )
}
