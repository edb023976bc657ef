/**
 * Keys by hash, in memory: the steady state of a request is one map look-up. A change of a key holds everywhere within
 * two seconds, see `follow-key-changes.ts`. Says nothing about expiry or blocks: the row does, and whoever uses it looks.
 *
 * Fail-open, within a limit: while the store cannot be asked, keys that are known go on for ten minutes after the last
 * good contact, because an outage of the store must not be one of the gateway. Keys that are not known are
 * `STORE_UNAVAILABLE` and never "invalid": a client would throw its key away.
 */
import { type Clock, createSingleFlight, type Logger, startDeadline, systemClock } from '@toolgate/core'
import { type Database, type StopListening, storeUnavailable, type VirtualKeyRow } from '@toolgate/db'
import { followKeyChanges } from './follow-key-changes.ts'
import { createKeyMemory } from './key-memory.ts'
import type { KeyStore } from './key-store.ts'
import { createStoreContact, type StoreContact } from './store-contact.ts'

export interface KeyCache {
  /** The row, or undefined where there is no such key. Rejects with `STORE_UNAVAILABLE`, or the signal's reason. */
  find(hash: string, signal: AbortSignal): Promise<VirtualKeyRow | undefined>
  /** For whoever changes a key in this process: the change holds with the next look-up and not with the feed. */
  forget(hash: string): void
  /** Follows changes from here on; before, a changed key may be used for up to a minute. */
  start(): Promise<void>
  close(): Promise<void>
}

export interface KeyCacheOptions {
  readonly store: Pick<KeyStore, 'find' | 'changedSince'>
  /** Absent: there is no feed and the poll does all. */
  readonly feed?: Pick<Database, 'listen'> | undefined
  readonly log: Logger
  readonly clock?: Clock
  /** Shared by whatever asks the same store. */
  readonly contact?: StoreContact
}

/** Bound of one query on the path of a request. */
const lookUpDeadlineMs = 5_000

export function createKeyCache(options: KeyCacheOptions): KeyCache {
  const { store, feed, log, clock = systemClock, contact = createStoreContact({ clock, log }) } = options
  const memory = createKeyMemory(clock)
  const singleFlight = createSingleFlight<VirtualKeyRow | undefined>()
  let following: Promise<StopListening> | undefined

  const read = async (hash: string): Promise<VirtualKeyRow | undefined> => {
    const { version } = memory
    using deadline = startDeadline(clock, lookUpDeadlineMs)
    const row = await contact.ask(() => store.find(hash, deadline.signal))
    memory.remember(hash, row, version)
    return row
  }

  return {
    async find(hash, signal) {
      const usable = contact.good ? memory.fresh(hash) : memory.last(hash)
      if (usable !== undefined && contact.withinGrace) return usable
      if (contact.good && memory.isUnknown(hash)) return undefined
      try {
        // The version is part of the key: nobody joins a read that began before a change.
        return await singleFlight(`${memory.version}:${hash}`, signal, () => read(hash))
      } catch (error) {
        signal.throwIfAborted()
        const last = memory.last(hash)
        if (last !== undefined && contact.withinGrace) return last
        throw storeUnavailable(error)
      }
    },

    forget: (hash) => memory.forget(hash),

    async start() {
      following ??= followKeyChanges({ store, feed, memory, contact, clock, log })
      await following
    },

    async close() {
      const stop = await following
      await stop?.()
      memory.forgetAll()
    },
  }
}
