import type { Clock, Logger } from '@toolgate/core'
import type { ListKind } from '../methods.ts'
import type { Registry } from '../registry/registry.ts'
import type { Entries, Entry } from './entries.ts'
import { createHydration } from './hydration.ts'
import type { ListStore, ListVersion } from './list-store.ts'
import { keptVersions } from './list-store.ts'
import { createListWriter } from './list-writer.ts'
import type { Places } from './places.ts'
import type { ToolTrust } from '../trust/tool-trust.ts'

/** The catalog's dealings with the store. Without a store it keeps nothing, and that is no failure. */
export interface ListKeeper {
  /** Puts stored lists of servers that are new here into memory. Never rejects, and waits no longer than its bound. */
  hydrate(): Promise<void>
  /** A list that was read for everybody goes to the store, in its own time. */
  observe(entry: Entry): void
  versions(serverId: string): Promise<readonly ListVersion[]>
  version(serverId: string, kind: ListKind): number | undefined
  forget(serverId: string): Promise<void>
  close(): Promise<void>
}

export interface ListKeeperOptions {
  readonly store?: ListStore | undefined
  readonly registry: Registry
  readonly entries: Entries
  readonly places: Places
  readonly trust: Pick<ToolTrust, 'observe' | 'forget'>
  readonly clock: Clock
  readonly log: Logger
}

export function createListKeeper({ store, ...options }: ListKeeperOptions): ListKeeper {
  if (store === undefined) return keepsNothing
  const { registry } = options
  const writer = createListWriter({ ...options, store })
  const hydration = createHydration({ ...options, store, onLoaded: writer.note, onGone: writer.forget })
  return {
    hydrate: hydration.run,
    observe(entry) {
      const { server, listing, outcome } = entry
      if (outcome.status !== 'ok' || listing === undefined) return
      // It may have been removed, and its lists with it, while it was being read.
      if (registry.find(server.id)?.revision !== server.revision) return
      writer.write({ server, kind: entry.kind, listing, listedAt: entry.listedAt ?? options.clock.now() })
    },
    versions: (serverId) => store.versions(serverId, keptVersions),
    version: writer.version,
    async forget(serverId) {
      writer.forget(serverId)
      await store.forget(serverId)
      await options.trust.forget(serverId)
    },
    close: writer.close,
  }
}

const keepsNothing: ListKeeper = {
  hydrate: async () => {},
  observe() {},
  versions: async () => [],
  version: () => undefined,
  forget: async () => {},
  close: async () => {},
}
