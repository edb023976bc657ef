import type { Principal } from '@toolgate/core'
import { permitsServer } from '../permits.ts'
import type { ManagedServer } from './managed-server.ts'
import type { Registry } from './registry.ts'

/** Which of the named servers a principal may use. What does not exist and what is not its own are both unresolved. */
export interface Selection {
  /** In the registry's order, each once. */
  readonly servers: readonly ManagedServer[]
  /** The names that lead to no server, as they were given. */
  readonly unresolved: readonly string[]
}

/** Names are ids, names, aliases or access groups; a server wins over a group of its name. Without names: all. */
export function selectServers(registry: Registry, principal: Principal, names?: readonly string[]): Selection {
  const permitted = registry.list().filter((server) => permitsServer(principal, server))
  if (names === undefined) return { servers: permitted, unresolved: [] }
  const found = names.map((name) => {
    const server = registry.find(name)
    if (server !== undefined && permitted.includes(server)) return [server]
    return permitted.filter(({ accessGroups }) => accessGroups.has(name))
  })
  const chosen = new Set(found.flat())
  return {
    servers: permitted.filter((server) => chosen.has(server)),
    unresolved: names.filter((_, index) => found[index]?.length === 0),
  }
}
