import { type Cancel, type Clock, GatewayError } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Registry } from '../registry/registry.ts'
import type { Entries } from './entries.ts'
import type { Lanes } from './lanes.ts'
import type { Place, Places } from './places.ts'
import type { Refresh } from './refresh.ts'
import { withinDeadline } from '../upstream/within-deadline.ts'

/** Milliseconds. */
export interface SweepTiming {
  /** How often it is checked what is due. */
  readonly sweepMs: number
  /** How long announced changes are gathered before they are read. */
  readonly settleMs: number
  /** How long `start` waits for the first lists. */
  readonly warmUpMs: number
}

export interface SweeperOptions {
  readonly registry: Registry
  readonly entries: Entries
  readonly places: Places
  readonly refresh: Refresh
  readonly lanes: Lanes
  readonly clock: Clock
  readonly timing: SweepTiming
  /** Puts stored lists into memory, of servers for which that was not done yet. Never rejects. */
  readonly hydrate: () => Promise<void>
}

export interface Sweeper {
  /** Ends when the sweeper is closed; whatever is read for everybody runs under it. */
  readonly lifetime: AbortSignal
  start(): Promise<void>
  /** Looks before the next turn; calls in between are gathered. */
  soon(): void
  close(): void
}

/**
 * Keeps the shared part of the catalog fresh, and drops what belongs to servers or revisions that are gone. A caller's own
 * lists are not read here: its credential is present only while it calls.
 */
export function createSweeper(options: SweeperOptions): Sweeper {
  const { registry, entries, places, refresh, lanes, clock, timing, hydrate } = options
  const controller = new AbortController()
  const lifetime = controller.signal
  let turns: Cancel | undefined
  let early: Cancel | undefined

  const currentServers = () => new Map(registry.list().map((server) => [server.id, server]))

  /** What was well the last time comes first: a server that is down must not hold up one that is not. */
  const duePlaces = (current: ReadonlyMap<string, ManagedServer>): readonly Place[] => {
    const wanted = [...current.values()].map((server) => places.shared(server, 'tools'))
    for (const { server, kind } of entries.shared()) {
      const now = current.get(server.id)
      if (now !== undefined) wanted.push(places.shared(now, kind))
    }
    const unique = [...new Map(wanted.map((place) => [place.key, place])).values()]
    const now = clock.monotonic()
    return unique
      .map((place) => ({ place, entry: entries.get(place) }))
      .filter(({ entry }) => entry === undefined || entries.isDue(entry, now))
      .toSorted((left, right) => failuresOf(left) - failuresOf(right))
      .map(({ place }) => place)
  }

  const readDue = async (): Promise<void> => {
    const due = duePlaces(currentServers())
    // A failed reading is an entry of its own; it rejects only when all this is closed.
    await Promise.all(due.map((place) => lanes.add(place.key, () => refresh.run(place, lifetime))))
  }

  const turn = () => {
    entries.retain(currentServers())
    void hydrate()
    void readDue()
  }

  return {
    lifetime,
    async start() {
      turns ??= clock.every(timing.sweepMs, turn)
      await hydrate()
      await withinDeadline(readDue(), { clock, ms: timing.warmUpMs, late: () => undefined })
    },
    soon() {
      if (lifetime.aborted) return
      early ??= clock.after(timing.settleMs, () => {
        early = undefined
        void readDue()
      })
    },
    close() {
      turns?.()
      early?.()
      lanes.close()
      controller.abort(new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.'))
    },
  }
}

function failuresOf({ entry }: { entry: ReturnType<Entries['get']> }): number {
  return entry?.attempt?.failures ?? 0
}
