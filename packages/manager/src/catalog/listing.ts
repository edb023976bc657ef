import { isJsonObject, type JsonObject, type JsonValue, type ProtocolEra } from '@toolgate/core'
import { type ListKind, listMethods } from '../methods.ts'
import type { Caching } from './caching.ts'
import { toolFault } from './tool-fault.ts'

/** What one server offers of one kind: definitions as it sent them, and what was left out of them. */
export interface Listing {
  readonly items: readonly JsonObject[]
  /** By the upstream's own name (for resources the URI or URI template). */
  readonly byName: ReadonlyMap<string, JsonObject>
  readonly quarantined: readonly QuarantinedItem[]
  /** Absent where the server says nothing of it. */
  readonly caching?: Caching | undefined
  /** Of tools of a pinned server: the hash of each definition that can be compared, by name. */
  readonly hashes?: ReadonlyMap<string, string> | undefined
  /** Left out until an administrator approves its definition. */
  readonly held: readonly QuarantinedItem[]
  /** Offered, though nobody has approved its definition. */
  readonly unapproved: readonly QuarantinedItem[]
}

export interface QuarantinedItem {
  readonly name: string
  /** One sentence, with the upstream's fault in it. */
  readonly reason: string
}

/**
 * Each item is looked at alone, so that one bad tool costs one tool and not the list. Nothing is changed or stripped.
 * `era`: what the server speaks.
 */
export function listingOf(kind: ListKind, candidates: readonly JsonValue[], era: ProtocolEra = 'legacy'): Listing {
  const byName = new Map<string, JsonObject>()
  const quarantined: QuarantinedItem[] = []
  for (const [index, candidate] of candidates.entries()) {
    const { name, fault } = inspectItem(kind, candidate, era)
    if (name !== undefined && fault === undefined && isJsonObject(candidate) && !byName.has(name)) {
      byName.set(name, candidate)
    } else {
      quarantined.push({ name: name ?? `#${index + 1}`, reason: fault ?? 'Another item has the same name.' })
    }
  }
  return { items: [...byName.values()], byName, quarantined, held: [], unapproved: [] }
}

export const emptyListing: Listing = { items: [], byName: new Map(), quarantined: [], held: [], unapproved: [] }

function inspectItem(kind: ListKind, item: JsonValue, era: ProtocolEra): { name?: string; fault?: string } {
  if (!isJsonObject(item)) return { fault: 'Not an object.' }
  const { identity } = listMethods[kind]
  const name = item[identity]
  if (typeof name !== 'string' || name === '') return { fault: `"${identity}" is not a non-empty string.` }
  const fault = kind === 'tools' ? toolFault(item, era) : undefined
  return fault === undefined ? { name } : { name, fault }
}
