import type { Clock, CredentialSource, ServerOutcome } from '@toolgate/core'
import type { ListKind } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Registry } from '../registry/registry.ts'
import type { Pool } from '../upstream/pool.ts'
import { createEntries, type EntryBounds } from './entries.ts'
import type { Listing } from './listing.ts'
import { createPlaces, type OwnRequest } from './places.ts'
import { createReader } from './reader.ts'
import { createRefresh } from './refresh.ts'
import { createSweeper, type SweepTiming } from './sweeper.ts'

/**
 * What the servers offer, kept so that neither a list nor a call has to ask. Every list belongs to the credential it was
 * read with: the service's own for everybody, a caller's own for that caller alone. A list that cannot be read again stays
 * as `stale` with its reason.
 */
export interface Catalog {
  /**
   * Asks only servers without a list, all at once, each for at most its `listMs`, or `waitMs` where that is less; the rest
   * comes from memory. Who is late goes on in the background and is there the next time.
   */
  list(request: CatalogRequest): Promise<readonly ServerListing[]>
  /** The lists in memory, by server id, as this caller may see them. Asks no upstream for a list. */
  known(request: CatalogRequest): Promise<ReadonlyMap<string, Listing>>
  /** Asks one server for its tools now, with the service's own credential. Rejects only when `signal` aborts. */
  probe(server: ManagedServer, signal: AbortSignal): Promise<Attempt>
  /** What the last such attempt came to. */
  last(server: ManagedServer): Attempt | undefined
  /** The server said that this list changed: it is read again soon, and the old one serves until then. */
  invalidate(serverId: string, kind: ListKind): void
  /** Begins refreshing; resolves once every server was asked, or after `warmUpMs`. */
  start(): Promise<void>
  close(): void
}

export interface CatalogRequest extends OwnRequest {
  readonly servers: readonly ManagedServer[]
  readonly waitMs?: number | undefined
}

/** One server's part of a list. */
export interface ServerListing {
  readonly server: ManagedServer
  readonly outcome: ServerOutcome
  /** Absent where it could never be read. */
  readonly listing: Listing | undefined
}

export interface Attempt {
  readonly outcome: ServerOutcome
  /** What made it `stale`. */
  readonly failure?: ServerOutcome
  /** Milliseconds since the epoch. */
  readonly at: number
}

export interface CatalogOptions {
  readonly registry: Registry
  readonly pool: Pool
  readonly credentials: CredentialSource
  readonly clock: Clock
  readonly timing?: CatalogTiming
  readonly bounds?: EntryBounds
  /** From 0 to 1; spreads refreshes, so that servers are not all asked at once. */
  readonly random?: () => number
}

/** Milliseconds. */
export interface CatalogTiming extends SweepTiming {
  readonly ttlMs: number
  /** Instead of `ttlMs` after a failure. */
  readonly retryMs: number
}

export const defaultCatalogTiming: CatalogTiming = {
  ttlMs: 5 * 60_000,
  retryMs: 30_000,
  sweepMs: 10_000,
  settleMs: 1_000,
  warmUpMs: 3_000,
}

const defaultBounds: EntryBounds = { maxHolders: 1_000, maxPerHolder: 64 }

export function createCatalog(options: CatalogOptions): Catalog {
  const { registry, pool, clock, timing = defaultCatalogTiming, bounds = defaultBounds, random = Math.random } = options
  const entries = createEntries(bounds)
  const places = createPlaces(options.credentials)
  const refresh = createRefresh({ entries, pool, clock, timing, random })
  const sweeper = createSweeper({ registry, entries, places, refresh, clock, timing })
  const reader = createReader({ entries, places, refresh, clock, lifetime: sweeper.lifetime })

  return {
    list: ({ servers, ...request }) => Promise.all(servers.map((server) => reader.entry(server, request))),
    async known({ servers, ...request }) {
      const found = new Map<string, Listing>()
      const note = async (server: ManagedServer) => {
        const listing = await reader.known(server, request)
        if (listing !== undefined) found.set(server.id, listing)
      }
      await Promise.all(servers.map(note))
      return found
    },
    probe: (server, signal) => refresh.run(places.shared(server, 'tools'), signal),
    last: (server) => entries.get(places.shared(server, 'tools')),
    invalidate(serverId, kind) {
      refresh.outdate(serverId, kind)
      entries.revise((entry) => (entry.server.id === serverId && entry.kind === kind ? { ...entry, dueAt: 0 } : entry))
      sweeper.soon()
    },
    start: sweeper.start,
    close: sweeper.close,
  }
}
