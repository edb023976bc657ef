import type { Clock, CredentialSource, Logger, ServerOutcome } from '@toolgate/core'
import { type ListKind, listKinds } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Registry } from '../registry/registry.ts'
import { comparesNothing, type ToolTrust } from '../trust/tool-trust.ts'
import type { Handshake } from '../upstream/connection.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { RefreshTiming } from './attempt.ts'
import { createHandshakes } from './handshakes.ts'
import { isOtherList } from './changed-list.ts'
import { createEntries, type Entry, type EntryBounds } from './entries.ts'
import { createLanes } from './lanes.ts'
import { createListKeeper, type ListKeeper } from './list-keeper.ts'
import type { ListStore, ListVersion } from './list-store.ts'
import { emptyListing, type Listing } from './listing.ts'
import { createPlaces, type OwnRequest } from './places.ts'
import { type Attempt, createProber, type Probe, toAttempt } from './prober.ts'
import { createReader, type Reader } from './reader.ts'
import { createRefresh } from './refresh.ts'
import { createSweeper, type SweepTiming } from './sweeper.ts'

/**
 * What the servers offer, kept so that neither a list nor a call has to ask. Every list belongs to the credential it was
 * read with: the service's own for everybody, a caller's own for that caller alone. A list that cannot be read again stays
 * as `stale` with its reason and its age; the service's are in the store, and there again after a restart.
 */
export interface Catalog {
  /**
   * Asks only servers without a list, all at once, each for at most its `listMs`, or `waitMs` where that is less; the rest
   * comes from memory. Who is late goes on in the background and is there the next time.
   */
  list(request: CatalogRequest): Promise<readonly ServerListing[]>
  /** The lists in memory, by server id, as this caller may see them. Asks no upstream for a list. */
  known(request: CatalogRequest): Promise<ReadonlyMap<string, Listing>>
  /** The same of one server, at once; `undefined` also where it takes a look at the caller's credential. */
  peek(server: ManagedServer, request: OwnRequest): Listing | undefined
  /** Every list of this kind that was read for everybody and is in memory. Asks nobody. */
  shared(kind: ListKind): readonly Listed[]
  /**
   * Asks one server for its tools now, with the service's own credential, unless that was done a moment ago. Answers
   * within ten seconds. Rejects only when `signal` aborts.
   */
  readonly probe: Probe
  /** Tools of the service's own list that are withheld until they are approved, or offered though nobody approved them. */
  doubts(server: ManagedServer): Doubts
  /** What the last such attempt came to; absent where there was none. */
  last(server: ManagedServer): Attempt | undefined
  /** What the server said of itself when it was last connected to for its lists. */
  handshake(server: ManagedServer): Handshake | undefined
  /** Reads every list of one server now, whatever its circuit says. Rejects only when `signal` aborts. */
  refresh(server: ManagedServer, signal: AbortSignal): Promise<readonly RefreshedList[]>
  /** What changed in the lists of a server, the newest first, at most a hundred. Rejects with `STORE_UNAVAILABLE`. */
  versions(serverId: string): Promise<readonly ListVersion[]>
  /** How often this list changed, as far as the store is known. */
  version(serverId: string, kind: ListKind): number | undefined
  /** Removes the lists of a server that is gone for good from the store. Rejects with `STORE_UNAVAILABLE`. */
  forget(serverId: string): Promise<void>
  /** The registry has other servers: those without a list are asked soon. */
  expectChange(): void
  /** The server said that this list changed: it is read again soon, and the old one serves until then. */
  invalidate(serverId: string, kind: ListKind): void
  /** Hears of every attempt to read a list for everybody. Must not throw. */
  watch(watcher: (attempt: Attempt, kind: ListKind) => void): void
  /** Hears of every list for everybody that is another one than before, or that its server said is. Must not throw. */
  watchChanges(watcher: (server: ManagedServer, kind: ListKind) => void): void
  /** Begins refreshing; resolves once stored lists are in memory and every server was asked, or after `warmUpMs`. */
  start(): Promise<void>
  /** Ends every reading; what is being written to the store gets a few seconds. */
  close(): Promise<void>
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

/** A server and what it offers. */
export interface Listed {
  readonly server: ManagedServer
  readonly listing: Listing
}

export type Doubts = Pick<Listing, 'held' | 'unapproved'>

export interface RefreshedList {
  readonly kind: ListKind
  readonly outcome: ServerOutcome
  readonly listing: Listing | undefined
}

export interface CatalogOptions extends Upstreams {
  readonly registry: Registry
  readonly credentials: CredentialSource
  readonly clock: Clock
  readonly log: Logger
  /** Absent: no definition is compared, whatever `toolPinning` says. */
  readonly trust?: Pick<ToolTrust, 'observe' | 'review' | 'forget'> | undefined
  /** Absent: lists are in memory alone. */
  readonly store?: ListStore | undefined
  readonly timing?: CatalogTiming
  readonly bounds?: EntryBounds
  /** From 0 to 1; spreads refreshes, so that servers are not all asked at once. */
  readonly random?: () => number
}

/** Milliseconds. */
export interface CatalogTiming extends SweepTiming, RefreshTiming {
  /** A server that is thought to be down and was reached by a call is asked again so long after the last attempt. */
  readonly reachedMs: number
}

export const defaultCatalogTiming: CatalogTiming = {
  ttlMs: 5 * 60_000,
  retryMs: 30_000,
  maxRetryMs: 10 * 60_000,
  reachedMs: 5_000,
  sweepMs: 10_000,
  settleMs: 1_000,
  warmUpMs: 3_000,
}

/**
 * Milliseconds that a list of several servers waits for those that were never listed. Whoever asks for one server by name
 * waits for that server; the others must not wait for one that hangs, and some clients give up after two seconds in which
 * they want several lists.
 */
export const patienceMs = 700

const defaultBounds: EntryBounds = { maxHolders: 1_000, maxPerHolder: 64 }

export function createCatalog(options: CatalogOptions): Catalog {
  const { registry, circuits, clock, timing = defaultCatalogTiming, random = Math.random } = options
  const { trust = comparesNothing } = options
  const watchers: ((attempt: Attempt, kind: ListKind) => void)[] = []
  const entries = createEntries(options.bounds ?? defaultBounds)
  const places = createPlaces(options.credentials)
  const keeper = createListKeeper({ ...options, trust, entries, places })
  const lanes = createLanes(clock)
  const changeWatchers: ((server: ManagedServer, kind: ListKind) => void)[] = []
  const onRead = (entry: Entry, previous: Entry | undefined) => {
    if (isOtherList(entry, previous)) for (const watcher of changeWatchers) watcher(entry.server, entry.kind)
    keeper.observe(entry)
    const attempt = toAttempt(entry)
    if (attempt !== undefined) for (const watcher of watchers) watcher(attempt, entry.kind)
  }
  const handshakes = createHandshakes()
  const refresh = createRefresh({ ...options, trust, entries, timing, random, onRead, onMet: handshakes.note })
  const sweeper = createSweeper({ registry, entries, places, refresh, lanes, clock, timing, hydrate: keeper.hydrate })
  const reader = createReader({ entries, places, refresh, clock, lifetime: sweeper.lifetime })
  const { shown, doubts } = showing({ entries, places, trust, clock })
  const readNow = (server: ManagedServer, kind: ListKind, signal: AbortSignal) =>
    refresh.run(places.shared(server, kind), signal, { despiteCircuit: true })

  circuits.watch(probingSoon({ entries, places, clock, timing }))

  return {
    async list({ servers, ...request }) {
      const found = await Promise.all(servers.map((server) => reader.entry(server, request)))
      return found.map(shown)
    },
    known: (request) => knownListings({ reader, trust }, request),
    peek: peeking({ reader, trust }),
    shared: (kind) => [...entries.shared()].flatMap((entry) => listed(entry, kind)),
    probe: createProber({ entries, places, refresh, lanes, circuits, clock, lifetime: sweeper.lifetime }),
    doubts,
    last(server) {
      const entry = entries.get(places.shared(server, 'tools'))
      return entry && toAttempt(entry)
    },
    handshake: handshakes.of,
    refresh: (server, signal) =>
      Promise.all(
        listKinds.map(async (kind) => {
          const { outcome, listing } = shown(await readNow(server, kind, signal))
          return { kind, outcome, listing }
        }),
      ),
    ...storedPart(keeper),
    invalidate(serverId, kind) {
      entries.outdate(serverId, kind)
      sweeper.soon()
    },
    watch: (watcher) => void watchers.push(watcher),
    watchChanges: (watcher) => void changeWatchers.push(watcher),
    expectChange: sweeper.soon,
    start: sweeper.start,
    close() {
      sweeper.close()
      return keeper.close()
    },
  }
}

function listed({ server, listing, kind }: Entry, wanted: ListKind): readonly Listed[] {
  return kind === wanted && listing !== undefined ? [{ server, listing }] : []
}

/** What callers see of entries: without tools that are held, and with the age of a list that is old. */
function showing({
  entries,
  places,
  trust,
  clock,
}: {
  entries: ReturnType<typeof createEntries>
  places: ReturnType<typeof createPlaces>
  trust: Pick<ToolTrust, 'review'>
  clock: Clock
}) {
  return {
    shown(entry: Entry): ServerListing {
      const aged = withAge(entry, clock.now())
      if (entry.kind !== 'tools' || aged.listing === undefined) return aged
      return { ...aged, listing: trust.review(aged.server, aged.listing) }
    },
    doubts(server: ManagedServer): Doubts {
      const listing = entries.get(places.shared(server, 'tools'))?.listing
      return listing === undefined ? emptyListing : trust.review(server, listing)
    },
  }
}

function peeking({ reader, trust }: { reader: Pick<Reader, 'shared'>; trust: Pick<ToolTrust, 'review'> }) {
  return (server: ManagedServer, request: OwnRequest): Listing | undefined => {
    const listing = reader.shared(server, request)?.listing
    return listing && reviewed(trust, { server, kind: request.kind, listing })
  }
}

function reviewed(
  trust: Pick<ToolTrust, 'review'>,
  { server, kind, listing }: { server: ManagedServer; kind: ListKind; listing: Listing },
): Listing {
  return kind === 'tools' ? trust.review(server, listing) : listing
}

async function knownListings(
  { reader, trust }: { reader: Pick<Reader, 'shared' | 'own'>; trust: Pick<ToolTrust, 'review'> },
  { servers, ...request }: CatalogRequest,
): Promise<ReadonlyMap<string, Listing>> {
  const found = new Map<string, Listing>()
  const note = (server: ManagedServer, listing: Listing | undefined) => {
    if (listing !== undefined) found.set(server.id, reviewed(trust, { server, kind: request.kind, listing }))
  }
  const apart: ManagedServer[] = []
  for (const server of servers) {
    const shared = reader.shared(server, request)
    if (shared === undefined) apart.push(server)
    else note(server, shared.listing)
  }
  const own = async (server: ManagedServer) => note(server, await reader.own(server, request))
  if (apart.length > 0) await Promise.all(apart.map(own))
  return found
}

function storedPart({ versions, version, forget }: ListKeeper): Pick<Catalog, 'versions' | 'version' | 'forget'> {
  return { versions, version, forget }
}

/** What calls learn of a server moves its next probe: never further away, and never to where callers set the pace. */
function probingSoon({
  entries,
  places,
  clock,
  timing,
}: {
  entries: ReturnType<typeof createEntries>
  places: ReturnType<typeof createPlaces>
  clock: Clock
  timing: CatalogTiming
}) {
  const hasten = (server: ManagedServer, dueAt: number) => {
    const place = places.shared(server, 'tools')
    const entry = entries.get(place)
    if (entry !== undefined && dueAt < entry.dueAt) entries.set(place, { ...entry, dueAt })
  }
  return {
    reached(server: ManagedServer) {
      const attempt = entries.probed(server.id)?.attempt
      if (attempt === undefined || attempt.failures === 0) return
      const sinceAttempt = Math.max(0, clock.now() - attempt.at)
      hasten(server, clock.monotonic() + Math.max(0, timing.reachedMs - sinceAttempt))
    },
    opened: (server: ManagedServer, retryMs: number) => hasten(server, clock.monotonic() + retryMs),
  }
}

function withAge({ server, outcome, listing, listedAt }: Entry, now: number): ServerListing {
  if (outcome.status !== 'stale' || listedAt === undefined) return { server, outcome, listing }
  return { server, outcome: { ...outcome, listedAt, ageMs: Math.max(0, now - listedAt) }, listing }
}
