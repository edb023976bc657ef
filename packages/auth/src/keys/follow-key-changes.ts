/**
 * Makes a memory of keys forget what changes, wherever it was changed; `followChanges` says how it is heard.
 */
import type { Clock, Logger } from '@toolgate/core'
import { type Database, followChanges, type StopListening } from '@toolgate/db'
import type { KeyMemory } from './key-memory.ts'
import { keyChangesChannel, type KeyStore } from './key-store.ts'
import type { StoreContact } from './store-contact.ts'

export interface FollowKeyChangesOptions {
  readonly store: Pick<KeyStore, 'changedSince'>
  readonly feed: Pick<Database, 'listen'> | undefined
  readonly memory: KeyMemory
  readonly contact: StoreContact
  readonly clock: Clock
  readonly log: Logger
}

/** Follows until stopped. A store that is away now is asked again with the next poll. */
export function followKeyChanges(options: FollowKeyChangesOptions): Promise<StopListening> {
  const { store, feed, memory, contact, clock, log } = options
  return followChanges({
    of: 'key store',
    channel: keyChangesChannel,
    feed,
    clock,
    log,
    async changedSince(mark, signal) {
      const answer = await contact.ask(() => store.changedSince(mark, signal))
      return { ...answer, changes: answer.changes.map(({ hash, at }) => ({ id: hash, at })) }
    },
    heard: (hash) => memory.forget(hash),
    found(changes) {
      for (const { id, at } of changes) memory.forget(id, at)
    },
    lost: () => memory.forgetAll(),
  })
}
