import type { AuthorizationServer } from '@toolgate/auth'
import type { JsonObject } from '@toolgate/core'

type Looked = Awaited<ReturnType<AuthorizationServer['issued']['look']>>

/** RFC 7662 §2.2. Of a token that does not count, or is not the asker's, nothing is said. */
export function introspection(found: Looked, { base, issuer }: { base: string; issuer: string }): JsonObject {
  if (found === undefined) return { active: false }
  const { grant, principal, issuedAt, expiresAt, kind } = found
  return {
    active: true,
    client_id: grant.clientId,
    scope: grant.scope,
    sub: principal.id,
    aud: `${base}${grant.audience}`,
    iss: `${base}${issuer}`,
    exp: secondsOf(expiresAt),
    ...(issuedAt !== undefined && { iat: secondsOf(issuedAt) }),
    ...(kind === 'access' && { token_type: 'Bearer' }),
  }
}

function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1000)
}
