import { type Clock, createSingleFlight } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Handshake } from '../upstream/connection.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { type Found, judge, type RefreshTiming } from './attempt.ts'
import type { ToolTrust } from '../trust/tool-trust.ts'
import { discover } from './discovery.ts'
import type { Entries, Entry } from './entries.ts'
import type { Place } from './places.ts'

export interface RefreshOptions extends Upstreams {
  readonly entries: Entries
  readonly clock: Clock
  readonly timing: RefreshTiming
  readonly random: () => number
  /** Sees every list that is read, for whomever. */
  readonly trust: Pick<ToolTrust, 'observe'>
  /** Told of every reading that was kept for everybody. */
  readonly onRead: (entry: Entry, previous: Entry | undefined) => void
  /** Told what a server said of itself to the service. */
  readonly onMet: (server: ManagedServer, handshake: Handshake) => void
}

export interface Refresh {
  /** Reads a list and keeps what came of it, also a failure. Rejects only when `signal` aborts. */
  run(place: Place, signal: AbortSignal, options?: { readonly despiteCircuit?: boolean }): Promise<Entry>
  /** Milliseconds since the reading of this list that is under way began; 0 where none is. */
  runningMs(place: Place): number
}

/** The one way into the catalog's memory. Whoever wants the same list at the same time shares one reading. */
export function createRefresh(options: RefreshOptions): Refresh {
  const { entries, pool, circuits, clock, trust, onRead, onMet } = options
  const flight = createSingleFlight<Entry>()
  const begun = new Map<string, number>()

  const read = async (place: Place, signal: AbortSignal, despiteCircuit: boolean): Promise<Found> => {
    const { server, kind, caller } = place
    try {
      const resolve = () => place.resolve(signal)
      const met = (handshake: Handshake) => caller === undefined && onMet(server, handshake)
      const request = { server, kind, caller, signal, despiteCircuit, resolve, met }
      const listing = await discover({ pool, circuits, clock }, request)
      return { listing: kind === 'tools' ? await trust.observe(server, listing) : listing }
    } catch (error) {
      signal.throwIfAborted()
      return { error }
    }
  }

  const readAndKeep = async (place: Place, signal: AbortSignal, despiteCircuit: boolean): Promise<Entry> => {
    const edition = entries.edition(place.server.id, place.kind)
    const started = clock.monotonic()
    // A forced reading is another one, beside that which lists wait for.
    if (!despiteCircuit) begun.set(place.key, started)
    const found = await read(place, signal, despiteCircuit).finally(() => despiteCircuit || begun.delete(place.key))
    const latencyMs = clock.monotonic() - started
    const previous = entries.get(place)
    const entry = judge({ place, found, previous, edition, latencyMs }, options)
    entries.set(place, entry)
    if (place.holder === undefined) onRead(entry, previous)
    return entry
  }

  return {
    run(place, signal, { despiteCircuit = false } = {}) {
      const forced = despiteCircuit && circuits.status(place.server).state !== 'closed'
      // Whoever asks in spite of the circuit must not be given the refusal of one who did not.
      const key = forced ? `despite ${place.key}` : place.key
      return flight(key, signal, (shared) => readAndKeep(place, shared, forced))
    },
    runningMs: ({ key }) => clock.monotonic() - (begun.get(key) ?? clock.monotonic()),
  }
}
