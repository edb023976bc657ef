import type { Principal, ServerOutcome } from '@toolgate/core'
import type { ToolsetRow } from '@toolgate/db'

/** A named set of tools, which keys are granted as one and endpoints show as one. */
export interface Toolset {
  readonly id: string
  readonly name: string
  /** The upstreams' own names, by the server's id. */
  readonly tools: ReadonlyMap<string, ReadonlySet<string>>
  readonly row: ToolsetRow
}

/** The toolsets of this moment. A grant names one and is read here each time, so that it never grants what was. */
export interface ToolsetLookup {
  /** By id or name; no toolset has the id of another as its name. */
  find(handle: string): Toolset | undefined
  list(): readonly Toolset[]
}

export const noToolsets: ToolsetLookup = { find: () => undefined, list: () => [] }

/** Whether the principal may know of this toolset and use it as one. */
export function grantsToolset({ admin, grants }: Principal, { id, name }: Toolset): boolean {
  return !grants.noServers && (admin || grants.toolsets.has(id) || grants.toolsets.has(name))
}

/** Those granted by name; an administrator needs none. */
export function grantedToolsets({ grants }: Principal, toolsets: ToolsetLookup): readonly Toolset[] {
  if (grants.noServers || grants.toolsets.size === 0) return []
  const found = [...grants.toolsets].flatMap((handle) => toolsets.find(handle) ?? [])
  return [...new Set(found)]
}

/** The tools of all of them, by server. */
export function toolsOf(toolsets: readonly Toolset[]): ReadonlyMap<string, ReadonlySet<string>> {
  const union = new Map<string, ReadonlySet<string>>()
  for (const [id, names] of toolsets.flatMap(({ tools }) => [...tools])) {
    union.set(id, new Set([...(union.get(id) ?? []), ...names]))
  }
  return union
}

/** An outcome for each server that a toolset names and nobody has any more. */
export function goneServers(
  toolsets: readonly Toolset[],
  isThere: (serverId: string) => boolean,
): readonly ServerOutcome[] {
  const gone = new Map<string, ServerOutcome>()
  for (const { name, tools } of toolsets) {
    for (const serverId of tools.keys()) {
      if (isThere(serverId) || gone.has(serverId)) continue
      const message = `Toolset "${name}" has tools of a server that was removed or is not in use.`
      gone.set(serverId, { serverId, serverName: serverId, status: 'unreachable', message })
    }
  }
  return [...gone.values()]
}
