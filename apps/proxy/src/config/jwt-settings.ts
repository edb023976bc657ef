/**
 * `general_settings.litellm_jwtauth`: whose tokens are credentials here, in LiteLLM's words. Stricter than there in three
 * points: an audience is required, symmetric algorithms do not exist, and nobody is an administrator unless a mapping says so.
 */
import type { JwtIssuer, JwtMapping, JwtSettings } from '@toolgate/auth'
import { isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { kindOf } from './explain.ts'
import type { ConfigPath, Report } from './report.ts'
import { amount, names, text } from './scalars.ts'
import { readMap, readSection } from './section.ts'

/** `JWT_PUBLIC_KEY_URL`, `JWT_ISSUER`, `JWT_AUDIENCE`: LiteLLM's way to name the only provider. */
export interface JwtVariables {
  readonly jwksUrl: string | undefined
  readonly issuer: string | undefined
  readonly audiences: readonly string[] | undefined
}

const asymmetric = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

export const claimFields = {
  user_id_jwt_field: text.min(1).optional(),
  team_id_jwt_field: text.min(1).optional(),
  roles_jwt_field: text.min(1).optional(),
  scope_jwt_field: text.min(1).optional(),
}

export const webAddress = z.url({ protocol: /^https?$/, error: 'must be an http or https address' })
const oneOrMore = z.union([text.min(1).transform((value) => [value]), names.min(1)], {
  error: 'must be a string or a list of strings',
})

const providerFields = {
  ...claimFields,
  jwks_url: webAddress.optional(),
  audience: oneOrMore.optional(),
  algorithms: z.array(z.enum(asymmetric)).min(1).optional(),
  leeway: amount('a number of seconds')
    .refine((value) => value <= 300, { error: 'must be at most 300' })
    .optional(),
  user_id_prefix: text.optional(),
}

const issuerSchema = z.object({ issuer: text.min(1), ...providerFields })

const grantFields = {
  models: names.optional(),
  routes: names.optional(),
  mcp_servers: names.optional(),
  mcp_access_groups: names.optional(),
  mcp_tool_permissions: z.record(z.string(), names).optional(),
  mcp_toolsets: names.optional(),
  blocked_tools: names.optional(),
}
const scopeSchema = z.object({ scope: text.min(1), ...grantFields })
const roleSchema = z.object({ role: text.min(1), internal_role: text.optional(), ...grantFields })

export const jwtAuthSchema = z.object({
  ...providerFields,
  issuer: text.min(1).optional(),
  public_key_ttl: amount('a number of seconds').optional(),
  issuers: z.unknown().optional(),
  admin_jwt_scope: text.min(1).optional(),
  scope_mappings: z.unknown().optional(),
  role_mappings: z.unknown().optional(),
})

/** Of LiteLLM's many further settings those that change nothing here. */
const inert =
  `user_id_upsert user_email_jwt_field user_allowed_email_domain team_id_upsert team_ids_jwt_field org_id_jwt_field
  end_user_id_jwt_field enforce_rbac sync_user_role_and_teams custom_validate`.split(/\s+/)

const path = ['general_settings', 'litellm_jwtauth'] as const
const defaultKeysMs = 600_000

/** `enabled`: tokens are credentials; else only what the section says of claims is of use. */
export function readJwtSettings(
  value: unknown,
  variables: JwtVariables,
  { enabled, report }: { readonly enabled: boolean; readonly report: Report },
): JwtSettings | undefined {
  const rules = { schema: jwtAuthSchema, dialect: 'litellm', inert } as const
  const section = readSection(value ?? {}, { path, report }, rules)
  if (section === undefined) return undefined
  const issuers = readIssuers(section, variables, report)
  if (issuers.length === 0 && enabled) report.error(path, 'names no issuer whose tokens could be accepted')
  return { issuers, mappings: readMappings(section, report) }
}

type Section = z.output<typeof jwtAuthSchema>

function readIssuers(section: Section, variables: JwtVariables, report: Report): readonly JwtIssuer[] {
  const { issuer = variables.issuer } = section
  const only = {
    ...section,
    jwks_url: section.jwks_url ?? variables.jwksUrl,
    audience: section.audience ?? (variables.audiences === undefined ? undefined : [...variables.audiences]),
  }
  const listed = readList(section.issuers, [...path, 'issuers'], { schema: issuerSchema, report })
  const entries = [
    ...(issuer === undefined ? [] : [{ entry: { ...only, issuer }, at: [...path] }]),
    ...listed.map(({ entry, at }) => ({ entry: { ...only, ...entry, jwks_url: entry.jwks_url }, at })),
  ]
  return entries.flatMap(({ entry, at }) => {
    if (entry.audience === undefined) {
      report.error(
        [...at, 'audience'],
        'is required: without it tokens that were made for other services would be accepted',
      )
      return []
    }
    return [toIssuer({ ...entry, audience: entry.audience }, entries.length)]
  })
}

type Provider = Section & { readonly issuer: string; readonly audience: readonly string[] }

/** Of several providers each has user ids of its own, unless the file says that they mean the same people. */
function toIssuer(entry: Provider, count: number): JwtIssuer {
  return {
    issuer: entry.issuer,
    audiences: entry.audience,
    jwksUrl: entry.jwks_url,
    algorithms: entry.algorithms ?? asymmetric,
    clockSkewSeconds: entry.leeway ?? 0,
    keysMs: entry.public_key_ttl === undefined ? defaultKeysMs : entry.public_key_ttl * 1000,
    userIdPrefix: entry.user_id_prefix ?? (count > 1 ? `${entry.issuer}#` : ''),
    claims: {
      userId: entry.user_id_jwt_field ?? 'sub',
      teamId: entry.team_id_jwt_field,
      roles: entry.roles_jwt_field,
      scopes: entry.scope_jwt_field ?? 'scope',
    },
  }
}

function readMappings(section: Section, report: Report): readonly JwtMapping[] {
  const { admin_jwt_scope: adminScope } = section
  const scopes = readList(section.scope_mappings, [...path, 'scope_mappings'], { schema: scopeSchema, report })
  const roles = readList(section.role_mappings, [...path, 'role_mappings'], { schema: roleSchema, report })
  const admin = { claim: 'scope', admin: true, models: ['all-proxy-models'], permission: {} } as const
  return [
    ...(adminScope === undefined ? [] : [{ ...admin, value: adminScope }]),
    ...scopes.map(({ entry }) => toMapping('scope', entry.scope, entry)),
    ...roles.map(({ entry }) => ({
      ...toMapping('role', entry.role, entry),
      admin: entry.internal_role === 'proxy_admin',
    })),
  ]
}

function toMapping(
  claim: JwtMapping['claim'],
  value: string,
  { models = [], routes, mcp_servers, mcp_access_groups, ...tools }: Partial<z.output<typeof scopeSchema>>,
): JwtMapping {
  const { mcp_tool_permissions, mcp_toolsets, blocked_tools } = tools
  const permission = { mcp_servers, mcp_access_groups, mcp_tool_permissions, mcp_toolsets, blocked_tools }
  return { claim, value, admin: false, models, routes, permission }
}

function readList<Schema extends z.ZodObject>(
  value: unknown,
  at: ConfigPath,
  { schema, report }: { schema: Schema; report: Report },
): readonly { entry: z.output<Schema>; at: ConfigPath }[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    report.error(at, `must be a list, is ${kindOf(value)}`)
    return []
  }
  return value.flatMap((item: unknown, index) => {
    const place = { path: [...at, index], report }
    const map = isJsonObject(item) ? readMap(item, place) : item
    const entry = readSection(map, place, { schema, dialect: 'litellm', inert })
    return entry === undefined ? [] : [{ entry, at: place.path }]
  })
}
