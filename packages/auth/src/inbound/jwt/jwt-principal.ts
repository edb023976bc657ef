/** From verified claims to who that is and what it may reach. Pure; what a token says beyond its mapped claims gives nothing. */
import { createHash } from 'node:crypto'
import { GatewayError, isJsonObject, type JsonValue, type Principal } from '@toolgate/core'
import type { ObjectPermission } from '@toolgate/db'
import type { JWTPayload } from 'jose'
import { type DefaultAccess, grantsOf } from '../../keys/grants.ts'
import type { JwtIssuer, JwtMapping, JwtSettings } from './jwt-settings.ts'

/** Longer ones are no ids, and ids stand in keys of maps and in rows. */
const longestId = 512

/** Throws `CREDENTIAL_INVALID` where the claim that names the user is missing. */
export function jwtPrincipal(
  payload: JWTPayload,
  issuer: JwtIssuer,
  { mappings, defaultAccess }: Pick<JwtSettings, 'mappings'> & { readonly defaultAccess: DefaultAccess },
): Principal {
  const { claims, userIdPrefix } = issuer
  const user = idAt(payload, claims.userId)
  if (user === undefined) {
    throw new GatewayError('CREDENTIAL_INVALID', `Authentication Error, the token has no claim "${claims.userId}".`)
  }
  const userId = `${userIdPrefix}${user}`
  const given = mappings.filter((mapping) => holds(mapping, payload, issuer))
  return {
    source: 'jwt',
    id: userId,
    keyHash: createHash('sha256')
      .update(JSON.stringify(['jwt', issuer.issuer, user]))
      .digest('hex'),
    userId,
    teamId: claims.teamId === undefined ? undefined : idAt(payload, claims.teamId),
    admin: given.some(({ admin }) => admin),
    grants: grantsOf(mappings.length === 0 ? nothingSaid : joined(given), defaultAccess),
    autoTools: false,
    toolSearch: false,
  }
}

const nothingSaid = { objectPermission: null, models: [], allowedRoutes: [] }

/** A name that no model has: an empty list would be every model. */
const noModels = ['no-default-models']

function joined(given: readonly JwtMapping[]): Parameters<typeof grantsOf>[0] {
  const models = given.flatMap((mapping) => mapping.models)
  const limits = given.map(({ routes }) => routes)
  const everywhere = limits.includes(undefined) || limits.length === 0
  return {
    objectPermission: joinedPermission(given.map(({ permission }) => permission)),
    models: models.length === 0 ? noModels : models,
    allowedRoutes: everywhere ? [] : limits.flatMap((routes) => routes ?? []),
  }
}

/** Grants add up, and so do blocks. Servers are always named, so that nothing is inherited. */
function joinedPermission(permissions: readonly ObjectPermission[]): ObjectPermission {
  const tools: Record<string, readonly string[]> = {}
  for (const { mcp_tool_permissions: named } of permissions) {
    for (const [server, names] of Object.entries(named ?? {})) tools[server] = [...(tools[server] ?? []), ...names]
  }
  return {
    mcp_servers: permissions.flatMap(({ mcp_servers: servers }) => servers ?? []),
    mcp_access_groups: permissions.flatMap(({ mcp_access_groups: groups }) => groups ?? []),
    mcp_toolsets: permissions.flatMap(({ mcp_toolsets: sets }) => sets ?? []),
    mcp_tool_permissions: tools,
    blocked_tools: permissions.flatMap(({ blocked_tools: blocked }) => blocked ?? []),
  }
}

function holds({ claim, value }: JwtMapping, payload: JWTPayload, { claims }: JwtIssuer): boolean {
  const path = claim === 'scope' ? claims.scopes : claims.roles
  return path !== undefined && wordsAt(payload, path).includes(value)
}

/** A list of texts, or one text of words with spaces between (RFC 8693 §4.2, `scope`). */
function wordsAt(payload: JWTPayload, path: string): readonly string[] {
  const value = valueAt(payload, path)
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function idAt(payload: JWTPayload, path: string): string | undefined {
  const value = valueAt(payload, path)
  return typeof value === 'string' && value !== '' && value.length <= longestId ? value : undefined
}

/** A claim whose own name has dots (such as one that is a URL) comes before a path. */
function valueAt(payload: JWTPayload, path: string): JsonValue | undefined {
  const claims: unknown = payload
  if (!isJsonObject(claims)) return undefined
  if (Object.hasOwn(claims, path)) return claims[path]
  return path
    .split('.')
    .reduce<JsonValue | undefined>(
      (value, key) => (isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      claims,
    )
}
