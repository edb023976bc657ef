/** From who a person is to what it may reach. Pure; what a token says beyond its mapped claims gives nothing. */
import type { Principal } from '@toolgate/core'
import type { ObjectPermission, SignedInPerson } from '@toolgate/db'
import { type DefaultAccess, grantsOf } from '../../keys/grants.ts'
import type { JwtIssuer, JwtMapping, JwtSettings } from './jwt-settings.ts'
import { personHash } from './person.ts'

export function principalOfPerson(
  person: SignedInPerson,
  { userIdPrefix }: Pick<JwtIssuer, 'userIdPrefix'>,
  { mappings, defaultAccess }: Pick<JwtSettings, 'mappings'> & { readonly defaultAccess: DefaultAccess },
): Principal {
  const userId = `${userIdPrefix}${person.user}`
  const given = mappings.filter((mapping) => holds(mapping, person))
  return {
    source: 'jwt',
    id: userId,
    keyHash: personHash(person),
    userId,
    teamId: person.team ?? undefined,
    admin: given.some(({ admin }) => admin),
    grants: grantsOf(mappings.length === 0 ? nothingSaid : joined(given), defaultAccess),
    autoTools: false,
    toolSearch: false,
  }
}

export function holds({ claim, value }: JwtMapping, { scopes, roles }: SignedInPerson): boolean {
  return (claim === 'scope' ? scopes : roles).includes(value)
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
