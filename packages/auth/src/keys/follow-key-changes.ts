/**
 * Makes a memory of keys forget what changes. The feed names a change at once; the poll runs always, because a feed that
 * died silently looks like a quiet one, and alone it keeps the promise of two seconds.
 */
import { type Clock, type Logger, startDeadline } from '@toolgate/core'
import { askStore, type Database, type StopListening } from '@toolgate/db'
import type { KeyMemory } from './key-memory.ts'
import { keyChangesChannel, type KeyStore } from './key-store.ts'
import type { StoreContact } from './store-contact.ts'

const pollMs = 1_000
const pollDeadlineMs = 5_000
const stopDeadlineMs = 2_000

export interface FollowKeyChangesOptions {
  readonly store: Pick<KeyStore, 'changedSince'>
  readonly feed: Pick<Database, 'listen'> | undefined
  readonly memory: KeyMemory
  readonly contact: StoreContact
  readonly clock: Clock
  readonly log: Logger
}

/** Follows until stopped. A store that is away now is asked again with the next poll. */
export async function followKeyChanges(options: FollowKeyChangesOptions): Promise<StopListening> {
  const { store, feed, memory, contact, clock, log } = options
  let mark: Date | undefined
  let running: Promise<void> | undefined

  const poll = async (): Promise<void> => {
    try {
      const since = mark
      using deadline = startDeadline(clock, pollDeadlineMs)
      const answer = await contact.ask(() => store.changedSince(since, deadline.signal))
      // Without a mark nobody knows what changed before this moment.
      if (since === undefined || !answer.complete) memory.forgetAll()
      for (const { hash, at } of answer.changes) memory.forget(hash, at)
      mark = answer.mark
    } catch {
      // `contact` has logged it and nobody waits for it; the next poll asks again with the same mark.
    }
  }

  const pollOnce = (): Promise<void> => {
    running ??= poll().finally(() => {
      running = undefined
    })
    return running
  }

  await pollOnce()
  const stopPolling = clock.every(pollMs, () => void pollOnce())
  const stopListening = await listen()
  return async () => {
    stopPolling()
    try {
      using deadline = startDeadline(clock, stopDeadlineMs)
      if (stopListening !== undefined) await askStore(stopListening, deadline.signal)
    } catch (error) {
      // Who stops goes on stopping: with a store that is away, or closed already, the subscription ends as well.
      log.debug({ err: error }, 'The change feed of the key store could not be ended.')
    }
    await running
  }

  async function listen(): Promise<StopListening | undefined> {
    try {
      return await feed?.listen(keyChangesChannel, {
        changed: (hash) => memory.forget(hash),
        resumed: () => void pollOnce(),
      })
    } catch (error) {
      // Fail-open: the poll finds the same changes a second later.
      log.warn({ err: error }, 'The change feed of the key store is not available: changes are found by polling.')
      return undefined
    }
  }
}
