import { eraOfVersion, type JsonObject } from '@toolgate/core'
import { type ListKind, listMethods } from '../methods.ts'
import { announces } from '../modern/announced.ts'
import type { Handshake } from '../upstream/connection.ts'

/** What a server says of how its list may be kept (spec 2026-07-28, Caching). */
export interface Caching {
  /** Milliseconds; absent where it says nothing, or announces changes instead. */
  readonly ttlMs?: number | undefined
  /** Another credential may get another list. */
  readonly isPrivate: boolean
}

/** The strictest of all pages. A server of the former era says nothing, whatever fields its results have. */
export function cachingOf(kind: ListKind, pages: readonly JsonObject[], handshake: Handshake): Caching | undefined {
  if (eraOfVersion(handshake.protocolVersion) === 'legacy') return undefined
  const given = pages.flatMap(({ ttlMs }) => (typeof ttlMs === 'number' && ttlMs >= 0 ? [ttlMs] : []))
  const ttlMs = given.length === 0 ? undefined : Math.min(...given)
  const isPrivate = pages.some(({ cacheScope }) => cacheScope === 'private')
  const isAnnounced = announces(handshake.capabilities[listMethods[kind].capability])
  return ttlMs === 0 && isAnnounced ? { isPrivate } : { ttlMs, isPrivate }
}
