import type { Principal } from '@toolgate/core'
import { permitsServer } from '../permits.ts'
import type { Reach } from '../reach.ts'
import {
  goneServers,
  grantedToolsets,
  grantsToolset,
  type Toolset,
  type ToolsetLookup,
  toolsOf,
} from '../toolsets/toolset.ts'
import type { ManagedServer } from './managed-server.ts'
import type { Registry } from './registry.ts'

/** Which of the named servers a principal may use. What does not exist and what is not its own are both unresolved. */
export interface Selection {
  /** In the registry's order, each once. */
  readonly servers: readonly ManagedServer[]
  /** The names that lead to no server, as they were given. */
  readonly unresolved: readonly string[]
  /** What the names lead to, for requests that were made with them. */
  readonly reach: Reach
}

export interface SelectionOptions {
  readonly registry: Registry
  readonly toolsets: ToolsetLookup
}

/** Names are ids, names, aliases, access groups or toolsets; the first of these that a name is, it means. Without names: all. */
export function selectServers(
  { registry, toolsets }: SelectionOptions,
  principal: Principal,
  names?: readonly string[],
): Selection {
  const permitted = registry.list().filter((server) => permitsServer(principal, server, toolsets))
  if (names === undefined) {
    const gone = goneServers(grantedToolsets(principal, toolsets), isIn(registry))
    return { servers: permitted, unresolved: [], reach: { gone } }
  }
  const found = names.map((name): Found => {
    const server = registry.find(name)
    if (server !== undefined && permitted.includes(server)) return { servers: [server] }
    const group = permitted.filter(({ accessGroups }) => accessGroups.has(name))
    const toolset = group.length > 0 ? undefined : toolsets.find(name)
    return toolset !== undefined && grantsToolset(principal, toolset) ? { servers: [], toolset } : { servers: group }
  })
  const whole = new Set(found.flatMap(({ servers }) => servers.map(({ id }) => id)))
  const named = found.flatMap(({ toolset }) => toolset ?? [])
  const tools = new Map([...toolsOf(named)].filter(([id]) => !whole.has(id)))
  const servers = permitted.filter(({ id }) => whole.has(id) || tools.has(id))
  return {
    servers,
    unresolved: names.filter((_, index) => found[index]?.toolset === undefined && found[index]?.servers.length === 0),
    reach: {
      servers: new Set(servers.map(({ id }) => id)),
      ...(named.length > 0 && { tools, gone: goneServers(named, isIn(registry)) }),
    },
  }
}

/** One toolset and nothing that has its name otherwise. Undefined where it does not exist or is not granted. */
export function selectToolset(
  { registry, toolsets }: SelectionOptions,
  principal: Principal,
  handle: string,
): Selection | undefined {
  const toolset = toolsets.find(handle)
  if (toolset === undefined || !grantsToolset(principal, toolset)) return undefined
  const { tools } = toolset
  const servers = registry.list().filter((server) => tools.has(server.id) && permitsServer(principal, server, toolsets))
  const reach = { servers: new Set(servers.map(({ id }) => id)), tools, gone: goneServers([toolset], isIn(registry)) }
  return { servers, unresolved: [], reach }
}

interface Found {
  readonly servers: readonly ManagedServer[]
  readonly toolset?: Toolset
}

/** By its id, and not by a name that another may have taken. */
function isIn(registry: Registry): (serverId: string) => boolean {
  return (serverId) => registry.find(serverId)?.id === serverId
}
