import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { isStorable } from '@toolgate/db'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { ObservedItem } from './list-store.ts'
import type { Listing } from './listing.ts'

/** A list beyond these stays in memory: every change of it would be written. */
export interface StorageBounds {
  readonly items: number
  readonly bytes: number
  /** Bytes of a name; an index of Postgres takes no more than 2,704. */
  readonly nameBytes: number
}

export const defaultStorageBounds: StorageBounds = { items: 10_000, bytes: 5 * 1024 * 1024, nameBytes: 1_024 }

export type Digested =
  | { readonly ok: true; readonly hash: string; readonly items: readonly ObservedItem[] }
  | { readonly ok: false; readonly reason: string }

/** Items between two turns of the event loop: a large list must not hold up calls. */
const itemsPerTurn = 200

/** What is compared to find what changed: a hash of each item and of all, the same whatever the order of keys and items. */
export async function digestList(listing: Listing, bounds: StorageBounds = defaultStorageBounds): Promise<Digested> {
  if (listing.byName.size > bounds.items) return { ok: false, reason: `more than ${bounds.items} items` }
  const items: ObservedItem[] = []
  let bytes = 0
  for (const [name, definition] of listing.byName) {
    if (items.length % itemsPerTurn === itemsPerTurn - 1) await turn()
    if (Buffer.byteLength(name) > bounds.nameBytes) return { ok: false, reason: 'a name that is too long' }
    const text = canonicalText(definition)
    if (text === undefined) return { ok: false, reason: 'an item that is nested too deeply' }
    if (!isStorable(text)) return { ok: false, reason: 'characters that Postgres cannot hold' }
    bytes += Buffer.byteLength(text)
    if (bytes > bounds.bytes) return { ok: false, reason: `more than ${bounds.bytes} bytes` }
    items.push({ name, definition, hash: digestOf(text) })
  }
  const sorted = items.map(({ name, hash }) => JSON.stringify([name, hash])).toSorted()
  return { ok: true, items, hash: digestOf(sorted.join('\n')) }
}

/** Bytes of a definition beyond which it is not compared: it would have to be stored to be looked at. */
const maxDefinitionBytes = 1024 * 1024

/** The hash of each item; one that cannot be compared, or not be stored, has none. */
export async function hashesOf({ byName }: Pick<Listing, 'byName'>): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>()
  let looked = 0
  for (const [name, definition] of byName) {
    looked += 1
    if (looked % itemsPerTurn === 0) await turn()
    const text = canonicalText(definition)
    const isComparable = text !== undefined && isStorable(text) && Buffer.byteLength(text) <= maxDefinitionBytes
    if (isComparable && Buffer.byteLength(name) <= defaultStorageBounds.nameBytes) hashes.set(name, digestOf(text))
  }
  return hashes
}

/** Where a server is, as far as lists are concerned. */
export function sourceOf({ transport }: ManagedServer): string {
  return digestOf(JSON.stringify([transport.type, transport.address]))
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The same text whatever the order of keys; undefined where it is nested too deeply. */
export function canonicalText(definition: JsonObject): string | undefined {
  try {
    return canonical(definition)
  } catch (error) {
    // The stack of the engine is the bound; nothing that anybody means is as deep.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const fields = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}
