import { maxPrefixLength, prefixesOf } from '../public-name.ts'
import { type DeclaredServer, isLeftOut, type ManagedServer, wordsOf } from './managed-server.ts'

/**
 * The servers of this gateway as one snapshot in memory, replaced as a whole: a request sees the old set or the new one,
 * never a mixture. A server that would make a name mean two things is set aside with its reason; the others go on.
 */
export interface Registry {
  /** In the order of the last `replace`. */
  list(): readonly ManagedServer[]
  /** By id, name or alias, exactly as written. */
  find(handle: string): ManagedServer | undefined
  /** Every known public prefix: alias, name and id, spelt as in public names. */
  prefixes(): ReadonlyMap<string, ManagedServer>
  /** Display name → the tools that are shown under it; two where operators gave one name twice. */
  displayed(): ReadonlyMap<string, readonly DisplayedTool[]>
  /**
   * Names and aliases of every server of the last `replace`, also of those that were set aside or left out: what a caller
   * brings for one of them must not be read as being for another. The same array until the next `replace`.
   */
  handles(): readonly string[]
  quarantined(): readonly Quarantined[]
  /** In the order in which they may claim names. `furtherNames` are what callers may call a server beside its own name and alias. */
  replace(servers: readonly DeclaredServer[], furtherNames?: readonly string[]): void
}

export interface DisplayedTool {
  readonly server: ManagedServer
  /** The upstream's own name. */
  readonly name: string
}

export interface Quarantined {
  readonly server: ManagedServer
  /** One sentence for the operator. */
  readonly reason: string
}

export interface RegistryOptions {
  /** Called for each server that is gone or has another revision, after the swap; fits `Pool.retire`. */
  readonly onRetire?: (serverId: string, currentRevision?: string) => void
  /** Called for each server that is gone, after the swap. */
  readonly onRemove?: (server: ManagedServer) => void
  /** Called after every swap. */
  readonly onReplace?: () => void
}

export function createRegistry({
  onRetire = () => {},
  onRemove = () => {},
  onReplace = () => {},
}: RegistryOptions = {}): Registry {
  let current = snapshotOf([], [])
  return {
    list: () => current.servers,
    find: (handle) => current.byHandle.get(handle),
    prefixes: () => current.byPrefix,
    displayed: () => current.displayed,
    handles: () => current.handles,
    quarantined: () => current.quarantined,
    replace(servers, furtherNames = []) {
      const previous = current
      current = snapshotOf(servers, furtherNames)
      const revisions = new Map(current.servers.map(({ id, revision }) => [id, revision]))
      for (const server of previous.servers) {
        const { id, revision } = server
        const now = revisions.get(id)
        if (now !== revision) onRetire(id, now)
        if (now === undefined) onRemove(server)
      }
      onReplace()
    },
  }
}

interface Snapshot {
  readonly servers: readonly ManagedServer[]
  readonly byHandle: ReadonlyMap<string, ManagedServer>
  readonly byPrefix: ReadonlyMap<string, ManagedServer>
  readonly displayed: ReadonlyMap<string, readonly DisplayedTool[]>
  readonly handles: readonly string[]
  readonly quarantined: readonly Quarantined[]
}

/**
 * Ids, names, aliases and prefixes share one space: a grant or a public name written for one server must not come to
 * mean another because that one was given the same word in another place. A word is the first's that is called so,
 * whether or not that one can be used: else a slip in one server would hand its name, and who may use it, to another.
 */
function snapshotOf(declared: readonly DeclaredServer[], furtherNames: readonly string[]): Snapshot {
  const servers: ManagedServer[] = []
  const byHandle = new Map<string, ManagedServer>()
  const byPrefix = new Map<string, ManagedServer>()
  const owners = new Map<string, string>()
  const quarantined: Quarantined[] = []

  for (const server of declared) {
    const reason = isLeftOut(server) ? undefined : conflictOf(server, owners)
    claim(server, owners)
    if (isLeftOut(server)) continue
    if (reason !== undefined) {
      quarantined.push({ server, reason })
      continue
    }
    servers.push(server)
    for (const prefix of prefixesOf(server)) byPrefix.set(prefix, server)
    for (const handle of [server.alias, server.name, server.id]) if (handle !== undefined) byHandle.set(handle, server)
  }
  const handles = [...furtherNames, ...declared.flatMap(namesOf)]
  const displayed = displayedTools(servers)
  return { servers, byHandle, byPrefix, displayed, quarantined, handles: [...new Set(handles)] }
}

function namesOf(server: DeclaredServer): readonly string[] {
  if (isLeftOut(server)) return server.names
  return server.alias === undefined ? [server.name] : [server.name, server.alias]
}

/** Of what nobody above is called. */
function claim(server: DeclaredServer, owners: Map<string, string>): void {
  for (const word of wordsOf(server)) if (!owners.has(word)) owners.set(word, namesOf(server)[0] ?? word)
}

function displayedTools(servers: readonly ManagedServer[]): ReadonlyMap<string, readonly DisplayedTool[]> {
  const displayed = new Map<string, DisplayedTool[]>()
  for (const server of servers) {
    for (const [name, shown] of server.displayNames) {
      displayed.set(shown, [...(displayed.get(shown) ?? []), { server, name }])
    }
  }
  return displayed
}

function conflictOf(server: ManagedServer, owners: ReadonlyMap<string, string>): string | undefined {
  for (const prefix of prefixesOf(server)) {
    if (prefix.length > maxPrefixLength) return `Names, aliases and ids have at most ${maxPrefixLength} characters.`
    const owner = owners.get(prefix)
    if (owner !== undefined) {
      return `"${prefix}" already means server "${owner}". Give one of the two another name, alias or id.`
    }
  }
  return undefined
}
