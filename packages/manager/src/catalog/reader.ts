import type { Clock } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import { seesItsClient } from '../upstream/isolation.ts'
import type { Entries, Entry } from './entries.ts'
import type { Listing } from './listing.ts'
import { failedOutcome, outcome } from './outcome.ts'
import type { OwnRequest, Place, Places } from './places.ts'
import type { Refresh } from './refresh.ts'
import { withinDeadline } from '../upstream/within-deadline.ts'

export interface ReaderOptions {
  readonly entries: Entries
  readonly places: Places
  readonly refresh: Refresh
  readonly clock: Clock
  /** Ends what runs for everybody. */
  readonly lifetime: AbortSignal
}

export interface ReadRequest extends OwnRequest {
  /**
   * Milliseconds after its reading began that a list which was never read is waited for: whoever comes later waits for what
   * is left of them, or a server that hangs would hold up every list. Absent, and at most: the server's `listMs`, each time.
   */
  readonly waitMs?: number | undefined
}

/**
 * One server's list as one caller may see it. The service's list; where that credential opens nothing, the caller's own.
 * A session in which the server can ask the client has a list of its own, because servers offer more to such a client.
 */
export interface Reader {
  /** From memory, or by asking, for at most `waitMs`. Rejects only when the caller's signal aborts. */
  entry(server: ManagedServer, request: ReadRequest): Promise<Entry>
  /** From memory alone, at once, where the service's list is the caller's; `undefined` where that is another. */
  shared(server: ManagedServer, request: OwnRequest): { readonly listing: Listing | undefined } | undefined
  /** From memory alone, where the caller may have a list of its own. */
  own(server: ManagedServer, request: OwnRequest): Promise<Listing | undefined>
}

export function createReader({ entries, places, refresh, clock, lifetime }: ReaderOptions): Reader {
  const obtain = async (place: Place, { caller: { signal }, waitMs }: ReadRequest): Promise<Entry> => {
    const entry = entries.get(place)
    if (entry !== undefined && !entries.isDue(entry, clock.monotonic())) return entry
    const leftMs = waitMs === undefined ? undefined : Math.max(0, waitMs - refresh.runningMs(place))
    // Reading for everybody goes on when this caller has gone: a slow server must get the time to come up.
    const work = refresh.run(place, place.holder === undefined ? lifetime : signal)
    if (entry !== undefined && place.holder === undefined) {
      // Its failures are kept as entries; it rejects only because the catalog was closed.
      work.catch(() => undefined)
      return entry
    }
    const { listMs } = place.server.timeouts
    const late = () => lateEntry(place, Math.min(listMs, waitMs ?? listMs))
    return withinDeadline(work, { clock, ms: Math.min(listMs, leftMs ?? listMs), signal, late })
  }

  return {
    async entry(server, request) {
      const { caller, kind } = request
      const forAll = await obtain(places.shared(server, kind), request)
      if (enough(forAll) && !seesItsClient(server, caller)) return forAll
      try {
        const own = await places.own(server, request)
        const entry = own === undefined ? forAll : await obtain(own, request)
        const mayServe = serves(forAll) && (own?.isShared !== false || !isPrivate(forAll))
        return entry.listing === undefined && mayServe ? forAll : entry
      } catch (error) {
        caller.signal.throwIfAborted()
        if (serves(forAll) && !isPrivate(forAll)) return forAll
        return unkept({ server, kind }, failedOutcome(server, error))
      }
    },
    shared(server, { caller, kind }) {
      const forAll = entries.get(places.shared(server, kind))
      if (seesItsClient(server, caller) || !enough(forAll)) return undefined
      return { listing: forAll?.listing }
    },
    async own(server, request) {
      const forAll = entries.get(places.shared(server, request.kind))
      try {
        const own = await places.own(server, request)
        if (own === undefined) return forAll?.listing
        const entry = entries.get(own)
        if (entry?.listing !== undefined) return entry.listing
        return entry === undefined || (!own.isShared && isPrivate(forAll)) ? undefined : forAll?.listing
      } catch {
        // Without a credential nothing of its own was ever read; whoever calls this server hears why.
        return isPrivate(forAll) ? undefined : forAll?.listing
      }
    },
  }
}

function enough(forAll: Entry | undefined): boolean {
  return forAll === undefined || (!wantsUser(forAll) && !isPrivate(forAll))
}

/** By its server's word, whoever brings another credential is not to see it. */
function isPrivate(forAll: Entry | undefined): boolean {
  return forAll?.listing?.caching?.isPrivate === true
}

/** The service's credential does not open it; one of the caller's may. */
function wantsUser({ outcome, failure = outcome }: Entry): boolean {
  return failure.status === 'needs_auth' || failure.status === 'rejected'
}

/** It answers a caller whose own list cannot be had: with a list, be it an old one, or a reason that is not about callers. */
function serves(forAll: Entry): boolean {
  return forAll.listing !== undefined || !wantsUser(forAll)
}

function lateEntry({ server, kind }: Place, ms: number): Entry {
  const message = `MCP server "${server.name}" has listed nothing within ${ms} ms.`
  return unkept({ server, kind }, outcome(server, 'timeout', message))
}

/** An answer for one request, not worth remembering. */
function unkept(of: Pick<Entry, 'server' | 'kind'>, outcome: Entry['outcome']): Entry {
  return { ...of, outcome, listing: undefined, dueAt: 0, edition: 0 }
}
