import { type Clock, createSingleFlight } from '@toolgate/core'
import type { ListKind } from '../methods.ts'
import type { Pool } from '../upstream/pool.ts'
import { discover } from './discovery.ts'
import type { Entries, Entry } from './entries.ts'
import { failedOutcome, outcome } from './outcome.ts'
import type { Place } from './places.ts'

export interface RefreshOptions {
  readonly entries: Entries
  readonly pool: Pool
  readonly clock: Clock
  readonly timing: { readonly ttlMs: number; readonly retryMs: number }
  readonly random: () => number
}

export interface Refresh {
  /** Reads a list and keeps what came of it, also a failure. Rejects only when `signal` aborts. */
  run(place: Place, signal: AbortSignal): Promise<Entry>
  /** What is being read of this list right now may be from before the change: it is due again at once. */
  outdate(serverId: string, kind: ListKind): void
}

/** The one way into the catalog's memory. Whoever wants the same list at the same time shares one reading. */
export function createRefresh({ entries, pool, clock, timing, random }: RefreshOptions): Refresh {
  const flight = createSingleFlight<Entry>()
  const running = new Set<{ readonly place: Place; outdated: boolean }>()

  const read = async (place: Place, signal: AbortSignal): Promise<Pick<Entry, 'outcome' | 'failure' | 'listing'>> => {
    const { server, kind, caller } = place
    try {
      const resolve = () => place.resolve(signal)
      const listing = await discover({ pool, clock }, { server, kind, caller, signal, resolve })
      return { outcome: outcome(server, 'ok'), listing }
    } catch (error) {
      signal.throwIfAborted()
      const failure = failedOutcome(server, error)
      const listing = entries.get(place)?.listing
      if (listing === undefined) return { outcome: failure, listing }
      return { outcome: outcome(server, 'stale', failure.message), failure, listing }
    }
  }

  const readAndKeep = async (place: Place, signal: AbortSignal): Promise<Entry> => {
    const run = { place, outdated: false }
    running.add(run)
    try {
      const found = await read(place, signal)
      const at = clock.now()
      const lifeMs = found.outcome.status === 'ok' ? timing.ttlMs : timing.retryMs
      const dueAt = run.outdated ? at : at + lifeMs * (0.9 + 0.2 * random())
      const entry = { server: place.server, kind: place.kind, ...found, at, dueAt }
      entries.set(place, entry)
      return entry
    } finally {
      running.delete(run)
    }
  }

  return {
    run: (place, signal) => flight(place.key, signal, (shared) => readAndKeep(place, shared)),
    outdate(serverId, kind) {
      for (const run of running) if (run.place.server.id === serverId && run.place.kind === kind) run.outdated = true
    },
  }
}
