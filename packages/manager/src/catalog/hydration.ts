import { type Clock, isJsonObject, type JsonValue, type Logger } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Registry } from '../registry/registry.ts'
import type { Entries } from './entries.ts'
import { sourceOf } from './list-digest.ts'
import type { ListStore, StoredList } from './list-store.ts'
import { type Listing, listingOf } from './listing.ts'
import { outcome } from './outcome.ts'
import type { Places } from './places.ts'
import type { ToolTrust } from '../trust/tool-trust.ts'
import { withinDeadline } from '../upstream/within-deadline.ts'

/** Milliseconds that a start waits for the store; what comes later is put into memory when it comes. */
const patienceMs = 10_000

export interface HydrationOptions {
  readonly store: Pick<ListStore, 'load'>
  readonly registry: Registry
  readonly entries: Entries
  readonly places: Places
  readonly trust: Pick<ToolTrust, 'observe'>
  readonly clock: Clock
  readonly log: Logger
  /** Told of every list that was found, whether or not it could be used. */
  readonly onLoaded: (list: StoredList) => void
  /** Told of every server that is no longer there. */
  readonly onGone: (serverId: string) => void
}

/**
 * Brings lists from the store into memory, once for each server and revision, where nothing better is there: as `stale`,
 * since nobody has asked the server yet. What cannot be read of them is left out with a warning.
 */
export function createHydration(options: HydrationOptions): { run(): Promise<void> } {
  const { store, registry, clock, log } = options
  const done = new Map<string, string>()
  let running: Promise<void> | undefined
  let failing = false

  const load = async (servers: readonly ManagedServer[]) => {
    try {
      const lists = await store.load(servers.map(({ id }) => id))
      for (const { id, revision } of servers) done.set(id, revision)
      const byId = new Map(servers.map((server) => [server.id, server]))
      for (const list of lists) {
        options.onLoaded(list)
        const server = byId.get(list.serverId)
        if (server !== undefined) await remember(server, list, options)
      }
      failing = false
    } catch (error) {
      // Without them servers are listed once they answer. The next turn tries again.
      if (!failing) log.warn({ err: error }, 'stored lists could not be read yet')
      failing = true
    }
  }

  return {
    async run() {
      const servers = registry.list()
      const current = new Set(servers.map(({ id }) => id))
      for (const id of done.keys()) {
        if (current.has(id)) continue
        done.delete(id)
        options.onGone(id)
      }
      const missing = servers.filter(({ id, revision }) => done.get(id) !== revision)
      if (missing.length === 0) return
      running ??= load(missing).finally(() => {
        running = undefined
      })
      await withinDeadline(running, { clock, ms: patienceMs, late: () => undefined })
    },
  }
}

async function remember(server: ManagedServer, list: StoredList, options: HydrationOptions): Promise<void> {
  const { entries, places, trust, log } = options
  const { kind, source } = list
  if (source !== sourceOf(server)) return
  const place = places.shared(server, kind)
  if (entries.get(place)?.listing !== undefined) return
  const read = readListing(list)
  const listing = kind === 'tools' ? await trust.observe(server, read) : read
  const known = entries.get(place)
  // The server may have answered meanwhile.
  if (known?.listing !== undefined) return
  if (listing.quarantined.length > 0) {
    const names = listing.quarantined.map(({ name }) => name)
    log.warn({ server: server.name, kind, items: names }, 'stored items could not be read and are left out')
  }
  const listedAt = list.listedAt.getTime()
  const stale =
    known === undefined
      ? { outcome: outcome(server, 'stale', `MCP server "${server.name}" was not asked yet since the start.`) }
      : { outcome: { ...known.outcome, status: 'stale' as const }, failure: known.outcome }
  const fresh = { server, kind, dueAt: 0, edition: entries.edition(server.id, kind) }
  entries.set(place, { ...(known ?? fresh), ...stale, listing, listedAt })
}

function readListing({ kind, definitions, isPrivate }: StoredList): Listing {
  const listing = listingOf(
    kind,
    definitions.map((definition): JsonValue => (isJsonObject(definition) ? definition : null)),
  )
  return isPrivate ? { ...listing, caching: { isPrivate } } : listing
}
