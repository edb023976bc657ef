import type { ServerOutcome } from '@toolgate/core'
import type { ListKind } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Listing } from './listing.ts'

/** What came of asking one server for one kind with one credential. */
export interface Entry {
  readonly server: ManagedServer
  readonly kind: ListKind
  readonly outcome: ServerOutcome
  /** What made it `stale`. */
  readonly failure?: ServerOutcome | undefined
  /** The last good list; absent where there never was one. */
  readonly listing: Listing | undefined
  /** Milliseconds since the epoch, of that list. */
  readonly listedAt?: number | undefined
  /** Absent where the list is from the store and the server was not asked yet. */
  readonly attempt?: AttemptFacts | undefined
  /** Of the monotonic clock: a clock that is set back must not keep a list for a day. */
  readonly dueAt: number
  /** How often the server had announced a change of this list when the reading of it began. */
  readonly edition: number
}

/** About the last attempt to read a list. */
export interface AttemptFacts {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Milliseconds, of connecting where that was needed and of reading. */
  readonly latencyMs: number
  /** Milliseconds since the epoch: since when every attempt has come to the same health. */
  readonly since: number
  /** Attempts in a row that brought no list. */
  readonly failures: number
  /** Of a failure, in the system's word, for operators alone. */
  readonly cause?: string | undefined
}

/** Where an entry is kept: for everybody, or for one holder within that holder's quota. */
export interface EntryKey {
  readonly key: string
  readonly holder: string | undefined
}

export interface EntryBounds {
  readonly maxHolders: number
  readonly maxPerHolder: number
}

export interface Entries {
  get(place: EntryKey): Entry | undefined
  set(place: EntryKey, entry: Entry): void
  shared(): Iterable<Entry>
  /** The service's own list of tools, which is the health of the server. For every call, so without making a key. */
  probed(serverId: string): Entry | undefined
  /** How often a change of this list was announced. */
  edition(serverId: string, kind: ListKind): number
  /** A change was announced: every list read before is due, whoever it belongs to. Costs the same however many there are. */
  outdate(serverId: string, kind: ListKind): void
  isDue(entry: Entry, monotonicNow: number): boolean
  /** Keeps what belongs to these servers in these revisions. */
  retain(servers: ReadonlyMap<string, ManagedServer>): void
}

/**
 * Entries of everybody are as many as there are servers; those of holders are bounded per holder, so that one key
 * evicts only its own, and in the number of holders, the one longest without a new list going first.
 */
export function createEntries({ maxHolders, maxPerHolder }: EntryBounds): Entries {
  const shared = new Map<string, Entry>()
  const probed = new Map<string, Entry>()
  const held = new Map<string, Map<string, Entry>>()
  const editions = new Map<string, Map<ListKind, number>>()
  const groupOf = (holder: string | undefined) => (holder === undefined ? shared : held.get(holder))
  const editionOf = (serverId: string, kind: ListKind) => editions.get(serverId)?.get(kind) ?? 0

  return {
    get: ({ key, holder }) => groupOf(holder)?.get(key),
    set({ key, holder }, entry) {
      if (holder === undefined) {
        shared.set(key, entry)
        if (entry.kind === 'tools') probed.set(entry.server.id, entry)
        return
      }
      const own = held.get(holder) ?? new Map<string, Entry>()
      putLast(own, { key, value: entry, max: maxPerHolder })
      putLast(held, { key: holder, value: own, max: maxHolders })
    },
    shared: () => shared.values(),
    probed: (serverId) => probed.get(serverId),
    edition: editionOf,
    outdate(serverId, kind) {
      const ofServer = editions.get(serverId) ?? new Map<ListKind, number>()
      editions.set(serverId, ofServer.set(kind, editionOf(serverId, kind) + 1))
    },
    isDue: ({ server, kind, dueAt, edition }, now) => now >= dueAt || edition !== editionOf(server.id, kind),
    retain(servers) {
      const isKept = ({ server }: Entry) => servers.get(server.id)?.revision === server.revision
      for (const group of [shared, ...held.values()]) {
        for (const [key, entry] of group) if (!isKept(entry)) group.delete(key)
      }
      for (const [holder, own] of held) if (own.size === 0) held.delete(holder)
      for (const [id, entry] of probed) if (!isKept(entry)) probed.delete(id)
      for (const id of editions.keys()) if (!servers.has(id)) editions.delete(id)
    },
  }
}

function putLast<Value>(
  map: Map<string, Value>,
  { key, value, max }: { key: string; value: Value; max: number },
): void {
  map.delete(key)
  map.set(key, value)
  const [first] = map.keys()
  if (map.size > max && first !== undefined) map.delete(first)
}
