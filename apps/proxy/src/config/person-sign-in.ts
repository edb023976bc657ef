/**
 * `general_settings.mcp_sign_in`: the company's OpenID provider, where people sign in instead of showing a key. What its claims
 * mean is what `litellm_jwtauth` says of the same issuer, so that a person is the same principal with a token and without; what
 * they give are the mappings there.
 */
import type { JwtSettings, PersonSignInSettings } from '@toolgate/auth'
import { secretSchema } from '@toolgate/core'
import { z } from 'zod'
import { claimFields, webAddress } from './jwt-settings.ts'
import type { Report } from './report.ts'
import { names, text } from './scalars.ts'
import { readSection } from './section.ts'

export const personSignInSchema = z.object({
  ...claimFields,
  issuer: webAddress,
  client_id: text.min(1),
  client_secret: secretSchema.optional(),
  token_endpoint_auth_method: z.enum(['client_secret_post', 'client_secret_basic']).optional(),
  scopes: names.min(1).optional(),
  name: text.min(1).max(60).optional(),
  user_id_prefix: text.optional(),
})

const path = ['general_settings', 'mcp_sign_in'] as const

export function readPersonSignIn(
  value: unknown,
  jwt: JwtSettings | undefined,
  report: Report,
): PersonSignInSettings | undefined {
  const section = readSection(value, { path, report }, { schema: personSignInSchema, dialect: 'ours' })
  if (section === undefined) return undefined
  const { issuer, scopes = ['openid', 'profile'] } = section
  if (!scopes.includes('openid'))
    report.error([...path, 'scopes'], 'must hold openid: without it nobody says who signed in')
  warnOfPlainHttp(issuer, report)
  return {
    provider: providerOf(section, jwt),
    mappings: jwt?.mappings ?? [],
    clientId: section.client_id,
    clientSecret: section.client_secret,
    clientAuthentication: section.token_endpoint_auth_method,
    scopes,
    label: section.name ?? new URL(issuer).host,
  }
}

/** What is said here comes first, then what is said of the same issuer where its tokens are. */
function providerOf(section: z.output<typeof personSignInSchema>, jwt: JwtSettings | undefined) {
  const known = jwt?.issuers.find(({ issuer }) => issuer === section.issuer)
  const isAlone = jwt === undefined || jwt.issuers.length === 0
  return {
    issuer: section.issuer,
    // As there: of several providers each has user ids of its own.
    userIdPrefix: section.user_id_prefix ?? known?.userIdPrefix ?? (isAlone ? '' : `${section.issuer}#`),
    claims: {
      userId: section.user_id_jwt_field ?? known?.claims.userId ?? 'sub',
      teamId: section.team_id_jwt_field ?? known?.claims.teamId,
      roles: section.roles_jwt_field ?? known?.claims.roles,
      scopes: section.scope_jwt_field ?? known?.claims.scopes ?? 'scope',
    },
  }
}

function warnOfPlainHttp(issuer: string, report: Report): void {
  const { protocol, hostname } = new URL(issuer)
  if (protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)) return
  report.warn([...path, 'issuer'], 'is not https: whoever is on the way can sign in as anybody')
}
