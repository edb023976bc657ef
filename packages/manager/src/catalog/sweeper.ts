import { type Cancel, type Clock, GatewayError } from '@toolgate/core'
import type { Registry } from '../registry/registry.ts'
import type { Entries } from './entries.ts'
import type { Place, Places } from './places.ts'
import type { Refresh } from './refresh.ts'
import { withinDeadline } from './within-deadline.ts'

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
  readonly clock: Clock
  readonly timing: SweepTiming
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
export function createSweeper({ registry, entries, places, refresh, clock, timing }: SweeperOptions): Sweeper {
  const controller = new AbortController()
  const lifetime = controller.signal
  let turns: Cancel | undefined
  let early: Cancel | undefined

  const duePlaces = (): Iterable<Place> => {
    const current = new Map(registry.list().map((server) => [server.id, server]))
    entries.revise((entry) => (current.get(entry.server.id)?.revision === entry.server.revision ? entry : undefined))
    const wanted = [...current.values()].map((server) => places.shared(server, 'tools'))
    for (const { server, kind } of entries.shared()) wanted.push(places.shared(current.get(server.id) ?? server, kind))
    const isDue = (place: Place) => clock.now() >= (entries.get(place)?.dueAt ?? 0)
    return new Map(wanted.filter(isDue).map((place) => [place.key, place])).values()
  }

  const sweep = async (): Promise<void> => {
    // A failed reading is an entry of its own; it rejects only when all this is closed.
    await Promise.allSettled([...duePlaces()].map((place) => refresh.run(place, lifetime)))
  }

  return {
    lifetime,
    async start() {
      turns ??= clock.every(timing.sweepMs, () => void sweep())
      await withinDeadline(sweep(), { clock, ms: timing.warmUpMs, late: () => undefined })
    },
    soon() {
      if (lifetime.aborted) return
      early ??= clock.after(timing.settleMs, () => {
        early = undefined
        void sweep()
      })
    },
    close() {
      turns?.()
      early?.()
      controller.abort(new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.'))
    },
  }
}
