import type { Grants, Principal, ServerDefinition, Target } from '@toolgate/core'
import { ownSpellings } from './public-name.ts'

/**
 * Who may reach what: grants compared with a server, and with one thing on it. Pure, and the only such comparison: what it
 * refuses is neither listed nor callable.
 */

/** The servers a principal may know of: those it may use whole or in part. */
export function permitsServer(principal: Principal, server: ServerDefinition): boolean {
  if (principal.grants.noServers) return false
  return grantsWholeServer(principal, server) || grantedTools(principal.grants, server) !== undefined
}

/** Whether the principal may use this target. `separator` reads lists that name tools with their prefix. */
export function permits(principal: Principal, target: Target, separator: string): boolean {
  const { server, kind, name } = target
  const { grants } = principal
  if (grants.noServers) return false
  const onlyTools = principal.admin ? undefined : grantedTools(grants, server)
  const whole = grantsWholeServer(principal, server)
  if (kind === 'server') return whole && onlyTools === undefined
  if (kind !== 'tool') return whole
  if (name === undefined || (!whole && onlyTools === undefined)) return false
  if (onlyTools !== undefined && !onlyTools.has(name)) return false
  if (deniesTool(grants.blockedTools, { server, name, separator })) return false
  return offers(server, name, separator)
}

/** The server's own lists, the same for everybody: an allow-list wins over a deny-list, as in LiteLLM. */
function offers(server: ServerDefinition, name: string, separator: string): boolean {
  if (server.allowedTools !== undefined) return listsTool(server.allowedTools, { server, name, separator })
  return !deniesTool(server.disallowedTools, { server, name, separator })
}

function grantsWholeServer({ admin, grants, keyHash }: Principal, server: ServerDefinition): boolean {
  if (admin || grants.allServers || server.allowAllKeys || server.grantedKeyHashes.has(keyHash)) return true
  if (handlesOf(server).some((handle) => grants.servers.has(handle))) return true
  return [...server.accessGroups].some((group) => grants.accessGroups.has(group))
}

/** The only tools granted on this server, where the grants name any for it; spellings of one server add up. */
function grantedTools({ toolsByServer }: Grants, server: ServerDefinition): ReadonlySet<string> | undefined {
  if (toolsByServer.size === 0) return undefined
  const entries = handlesOf(server).flatMap((handle) => toolsByServer.get(handle) ?? [])
  const [only] = entries
  return entries.length > 1 ? new Set(entries.flatMap((entry) => [...entry])) : only
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
