import type { Grants, Principal, ServerDefinition, Target } from '@toolgate/core'
import type { Basis } from './catalog/offer-memory.ts'
import { ownSpellings } from './public-name.ts'
import { grantedToolsets, type ToolsetLookup } from './toolsets/toolset.ts'

/**
 * Who may reach what: grants compared with a server, and with one thing on it. Pure, and the only such comparison: what it
 * refuses is neither listed nor callable.
 */

/** The servers a principal may know of: those it may use whole or in part. */
export function permitsServer(principal: Principal, server: ServerDefinition, toolsets: ToolsetLookup): boolean {
  if (principal.grants.noServers) return false
  if (grantsWholeServer(principal, server) || grantedTools(principal.grants, server) !== undefined) return true
  return grantedToolsets(principal, toolsets).some(({ tools }) => tools.has(server.id))
}

/** What grants are read with. */
export interface PermitRules {
  /** For lists that name tools with their prefix. */
  readonly separator: string
  readonly toolsets: ToolsetLookup
}

/** Whether the principal may use this target. */
export function permits(principal: Principal, target: Target, rules: PermitRules): boolean {
  return grantingRules.has(ruleFor(principal, target, rules))
}

const granting = [
  'admin',
  'all_servers',
  'allow_all_keys',
  'api_keys',
  'mcp_servers',
  'mcp_access_groups',
  'mcp_tool_permissions',
  'mcp_toolsets',
] as const
const grantingRules: ReadonlySet<Rule> = new Set<Rule>(granting)

/** What a decision rests on: the granting ones, then the denying ones. The words are those of keys and of servers. */
export type Rule =
  | (typeof granting)[number]
  | 'no_mcp_servers'
  | 'not_granted'
  | 'only_some_tools_granted'
  | 'blocked_tools'
  | 'allowed_tools'
  | 'disallowed_tools'

/** The rule that grants this target or denies it. */
export function ruleFor(principal: Principal, target: Target, { separator, toolsets }: PermitRules): Rule {
  const { server, kind, name } = target
  const { grants } = principal
  if (grants.noServers) return 'no_mcp_servers'
  const onlyTools = principal.admin ? undefined : grantedTools(grants, server)
  const whole = wholeServerRule(principal, server)
  if (kind !== 'tool') {
    if (whole === undefined)
      return permitsServer(principal, server, toolsets) ? 'only_some_tools_granted' : 'not_granted'
    return kind === 'server' && onlyTools !== undefined ? 'only_some_tools_granted' : whole
  }
  if (name === undefined) return 'not_granted'
  const own = onlyTools?.has(name) === true ? 'mcp_tool_permissions' : undefined
  const listed = onlyTools === undefined ? whole : own
  const granted = listed ?? (inToolset(principal, { server, name }, toolsets) ? 'mcp_toolsets' : undefined)
  if (granted === undefined)
    return permitsServer(principal, server, toolsets) ? 'only_some_tools_granted' : 'not_granted'
  if (deniesTool(grants.blockedTools, { server, name, separator })) return 'blocked_tools'
  return withheldBy(server, name, separator) ?? granted
}

/** All that is read of a principal here: two with the same may use the same of these servers. */
export function permitBasis(
  principal: Principal,
  servers: readonly ServerDefinition[],
  toolsets: ToolsetLookup,
): Basis {
  const { admin, grants, keyHash } = principal
  const { models: _models, routes: _routes, toolsets: _named, ...own } = grants
  const { allServers, noServers, servers: granted, accessGroups, toolsByServer, blockedTools, ...others } = own
  // A grant that is added says here whether it is read.
  others satisfies Record<string, never>
  const isNamed = servers.some(({ grantedKeyHashes }) => grantedKeyHashes.has(keyHash))
  return [
    admin,
    allServers,
    noServers,
    [...granted],
    [...accessGroups],
    [...toolsByServer].map(([handle, tools]) => [handle, [...tools]]),
    grantedToolsets(principal, toolsets),
    [...blockedTools],
    isNamed ? keyHash : undefined,
  ]
}

/** The server's own lists, the same for everybody: an allow-list wins over a deny-list, as in LiteLLM. */
function withheldBy(server: ServerDefinition, name: string, separator: string): Rule | undefined {
  if (server.allowedTools !== undefined) {
    return listsTool(server.allowedTools, { server, name, separator }) ? undefined : 'allowed_tools'
  }
  return deniesTool(server.disallowedTools, { server, name, separator }) ? 'disallowed_tools' : undefined
}

function grantsWholeServer(principal: Principal, server: ServerDefinition): boolean {
  return wholeServerRule(principal, server) !== undefined
}

function wholeServerRule({ admin, grants, keyHash }: Principal, server: ServerDefinition): Rule | undefined {
  if (admin) return 'admin'
  if (grants.allServers) return 'all_servers'
  if (server.allowAllKeys) return 'allow_all_keys'
  if (server.grantedKeyHashes.has(keyHash)) return 'api_keys'
  if (handlesOf(server).some((handle) => grants.servers.has(handle))) return 'mcp_servers'
  return [...server.accessGroups].some((group) => grants.accessGroups.has(group)) ? 'mcp_access_groups' : undefined
}

/** The only tools granted on this server, where the grants name any for it; spellings of one server add up. */
function grantedTools({ toolsByServer }: Grants, server: ServerDefinition): ReadonlySet<string> | undefined {
  if (toolsByServer.size === 0) return undefined
  const entries = handlesOf(server).flatMap((handle) => toolsByServer.get(handle) ?? [])
  const [only] = entries
  return entries.length > 1 ? new Set(entries.flatMap((entry) => [...entry])) : only
}

/** Toolsets add to what is granted otherwise, also where that names the only tools of a server. */
function inToolset(
  principal: Principal,
  { server, name }: Pick<NamedTool, 'server' | 'name'>,
  toolsets: ToolsetLookup,
): boolean {
  return grantedToolsets(principal, toolsets).some(({ tools }) => tools.get(server.id)?.has(name) === true)
}

/** What a grant may call a server. */
function handlesOf({ id, name, alias }: ServerDefinition): readonly string[] {
  const handles = alias === undefined ? [id, name] : [id, name, alias]
  return [...new Set(handles)]
}

interface NamedTool {
  readonly server: ServerDefinition
  readonly name: string
  readonly separator: string
}

function listsTool(list: ReadonlySet<string>, { server, name, separator }: NamedTool): boolean {
  if (list.size === 0) return false
  return ownSpellings(server, name, separator).some((spelling) => list.has(spelling))
}

/** Who denies a tool may know it by the name it is shown under. Who allows one must not: that name may be another tool's own. */
function deniesTool(list: ReadonlySet<string>, tool: NamedTool): boolean {
  const shown = tool.server.displayNames.get(tool.name)
  return listsTool(list, tool) || (shown !== undefined && list.has(shown))
}
