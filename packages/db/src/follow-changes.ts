/**
 * Follows the changes of one kind of object. The feed names a change at once; the poll runs always, because a feed that
 * died silently looks like a quiet one, and alone it keeps the promise of two seconds. A store that is away is asked
 * again with the next poll, with the same mark, so that nothing is missed.
 */
import { type Clock, type Logger, startDeadline } from '@toolgate/core'
import type { ObjectChange, ObjectChanges } from './changed-since.ts'
import type { StopListening } from './changes.ts'
import type { Database } from './database.ts'
import { askStore } from './store-errors.ts'

const pollMs = 1_000
const pollDeadlineMs = 5_000
const stopDeadlineMs = 2_000

export interface FollowChangesOptions {
  /** What is followed, for logs: `key store`. */
  readonly of: string
  readonly channel: string
  /** Absent: there is no feed and the poll does all. */
  readonly feed: Pick<Database, 'listen'> | undefined
  /** Rejects where the store cannot be asked; that is its own to log. */
  changedSince(mark: Date | undefined, signal: AbortSignal): Promise<ObjectChanges>
  /** The feed named it: whatever is known of it may be old. Must not throw. */
  heard(id: string): void
  /** The poll found these. Where it rejects, they are found again. */
  found(changes: readonly ObjectChange[]): Promise<void> | void
  /** Nobody knows what changed: at the first contact, and after more changes than are worth listing. */
  lost(): Promise<void> | void
  readonly clock: Clock
  readonly log: Logger
}

/** Follows until stopped. Resolves after the first poll, also where that failed. */
export async function followChanges(options: FollowChangesOptions): Promise<StopListening> {
  const { of, clock, log } = options
  const poll = createPoll(options)
  let running: Promise<void> | undefined
  const pollOnce = (): Promise<void> => {
    running ??= poll().finally(() => {
      running = undefined
    })
    return running
  }

  await pollOnce()
  const stopPolling = clock.every(pollMs, () => void pollOnce())
  const stopListening = await listen(options, () => void pollOnce())
  return async () => {
    stopPolling()
    try {
      using deadline = startDeadline(clock, stopDeadlineMs)
      if (stopListening !== undefined) await askStore(stopListening, deadline.signal)
    } catch (error) {
      // Who stops goes on stopping: with a store that is away, or closed already, the subscription ends as well.
      log.debug({ err: error }, `The change feed of the ${of} could not be ended.`)
    }
    await running
  }
}

function createPoll({ changedSince, found, lost, clock }: FollowChangesOptions): () => Promise<void> {
  let mark: Date | undefined
  return async () => {
    try {
      const since = mark
      using deadline = startDeadline(clock, pollDeadlineMs)
      const answer = await changedSince(since, deadline.signal)
      if (since === undefined || !answer.complete) await lost()
      await found(answer.changes)
      mark = answer.mark
    } catch {
      // Whoever asked the store has logged it and nobody waits for it; the next poll asks again with the same mark.
    }
  }
}

async function listen(
  { of, feed, channel, heard, log }: FollowChangesOptions,
  resumed: () => void,
): Promise<StopListening | undefined> {
  try {
    return await feed?.listen(channel, { changed: heard, resumed })
  } catch (error) {
    // Fail-open: the poll finds the same changes a second later.
    log.warn({ err: error }, `The change feed of the ${of} is not available: changes are found by polling.`)
    return undefined
  }
}
