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
  readonly failure?: ServerOutcome
  /** The last good list; absent where there never was one. */
  readonly listing: Listing | undefined
  /** Milliseconds since the epoch, of the last attempt. */
  readonly at: number
  readonly dueAt: number
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
  /** Rewrites every entry in place; `undefined` removes it. */
  revise(change: (entry: Entry) => Entry | undefined): void
}

/**
 * Entries of everybody are as many as there are servers; those of holders are bounded per holder, so that one key
 * evicts only its own, and in the number of holders, the one longest without a new list going first.
 */
export function createEntries({ maxHolders, maxPerHolder }: EntryBounds): Entries {
  const shared = new Map<string, Entry>()
  const held = new Map<string, Map<string, Entry>>()
  const groupOf = (holder: string | undefined) => (holder === undefined ? shared : held.get(holder))

  return {
    get: ({ key, holder }) => groupOf(holder)?.get(key),
    set({ key, holder }, entry) {
      if (holder === undefined) {
        shared.set(key, entry)
        return
      }
      const own = held.get(holder) ?? new Map<string, Entry>()
      putLast(own, { key, value: entry, max: maxPerHolder })
      putLast(held, { key: holder, value: own, max: maxHolders })
    },
    shared: () => shared.values(),
    revise(change) {
      for (const group of [shared, ...held.values()]) {
        for (const [key, entry] of group) {
          const revised = change(entry)
          if (revised === undefined) group.delete(key)
          else group.set(key, revised)
        }
      }
      for (const [holder, own] of held) if (own.size === 0) held.delete(holder)
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
