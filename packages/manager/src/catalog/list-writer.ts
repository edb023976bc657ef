import { type Clock, GatewayError, type Logger } from '@toolgate/core'
import { type ListKind, listKinds } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import { digestList, sourceOf } from './list-digest.ts'
import type { ListStore, ObservedList, StoredList } from './list-store.ts'
import type { Listing } from './listing.ts'
import { createWriteQueue } from './write-queue.ts'

/** Milliseconds. */
export interface WriterTiming {
  /** A list that stayed the same is written again so often, so that its age in the store is known. */
  readonly touchMs: number
  /** Pause while the store is away; doubles up to `maxRetryMs`. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /** How long `close` waits for the write under way. */
  readonly closeMs: number
}

export const defaultWriterTiming: WriterTiming = {
  touchMs: 5 * 60_000,
  retryMs: 5_000,
  maxRetryMs: 60_000,
  closeMs: 3_000,
}

export interface ListWriterOptions {
  readonly store: ListStore
  readonly clock: Clock
  readonly log: Logger
  readonly timing?: WriterTiming
}

export interface ReadList {
  readonly server: ManagedServer
  readonly kind: ListKind
  readonly listing: Listing
  /** Milliseconds since the epoch. */
  readonly listedAt: number
}

/** Off the path of every request: one writer, and at most one list of each server and kind that waits for it, the latest. */
export interface ListWriter {
  /** Never throws and never waits. */
  write(list: ReadList): void
  /** What the store is known to hold. */
  note(list: StoredList): void
  version(serverId: string, kind: ListKind): number | undefined
  /** Drops what waits, and what was known, of a server. */
  forget(serverId: string): void
  close(): Promise<void>
}

/** What the store holds of a list, as far as this process wrote or read it. As many as there are lists. */
interface Known extends Pick<ObservedList, 'hash' | 'source' | 'isPrivate'> {
  readonly version: number
  readonly listedAt: number
}

export function createListWriter(options: ListWriterOptions): ListWriter {
  const { store, clock, log, timing = defaultWriterTiming } = options
  const known = new Map<string, Known>()
  const unstored = new Set<string>()
  const outage = countOutage(log)

  const write = async (key: string, read: ReadList) => {
    const list = await toObserved(read)
    if ('reason' in list) {
      if (!unstored.has(key)) log.warn({ ...aboutList(read), reason: list.reason }, 'list is not stored')
      unstored.add(key)
      return
    }
    unstored.delete(key)
    if (isWritten(known.get(key), list, timing.touchMs)) return
    const { version, changed } = await store.save(list)
    outage.end()
    if (changed) log.info({ ...aboutList(read), version, items: list.items.length }, 'list changed')
    const { hash, source, isPrivate } = list
    known.set(key, { hash, source, isPrivate, version, listedAt: read.listedAt })
  }

  const retryAfter = (error: unknown, read: ReadList) => {
    if (isAway(error)) return pauseAfter(outage.begin(error), timing)
    // Another try would end the same way; the next reading of the list is the next try.
    log.error({ err: error, ...aboutList(read) }, 'list could not be stored')
    return undefined
  }

  const queue = createWriteQueue({ clock, write, retryAfter })

  return {
    write: (list) => queue.add(keyOf(list.server.id, list.kind), list),
    note({ serverId, kind, hash, source, isPrivate, version, listedAt }) {
      known.set(keyOf(serverId, kind), { hash, source, isPrivate, version, listedAt: listedAt.getTime() })
    },
    version: (serverId, kind) => known.get(keyOf(serverId, kind))?.version,
    forget(serverId) {
      for (const kind of listKinds) {
        const key = keyOf(serverId, kind)
        queue.drop(key)
        known.delete(key)
        unstored.delete(key)
      }
    },
    close: () => queue.close(timing.closeMs),
  }
}

function keyOf(serverId: string, kind: ListKind): string {
  return `${kind} ${serverId}`
}

function pauseAfter(failures: number, { retryMs, maxRetryMs }: WriterTiming): number {
  return Math.min(maxRetryMs, retryMs * 2 ** Math.min(failures, 30))
}

function isAway(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'STORE_UNAVAILABLE'
}

async function toObserved({ server, kind, listing, listedAt }: ReadList): Promise<ObservedList | { reason: string }> {
  const digested = await digestList(listing)
  if (!digested.ok) return { reason: digested.reason }
  const { hash, items } = digested
  return {
    serverId: server.id,
    kind,
    source: sourceOf(server),
    hash,
    items,
    listedAt: new Date(listedAt),
    isPrivate: listing.caching?.isPrivate === true,
  }
}

function isWritten(last: Known | undefined, list: ObservedList, touchMs: number): boolean {
  const { hash, source, isPrivate, listedAt } = list
  const same = last?.hash === hash && last.source === source && last.isPrivate === isPrivate
  return same && listedAt.getTime() - last.listedAt < touchMs
}

function aboutList({ server, kind }: ReadList) {
  return { server: server.name, kind }
}

/** One line when the store goes away and one when it is back. */
function countOutage(log: Logger) {
  let failures = 0
  return {
    /** How many failures there were before this one. */
    begin(error: unknown): number {
      if (failures === 0) log.warn({ err: error }, 'lists cannot be stored until the store is back')
      failures += 1
      return failures - 1
    },
    end() {
      if (failures > 0) log.info({}, 'lists are stored again')
      failures = 0
    },
  }
}
