import type { Clock, Logger } from '@toolgate/core'

/** How long what is known may be used without the store being asked. */
const graceMs = 10 * 60_000

/** Whether the store could be asked lately; every question to it goes through `ask`. */
export interface StoreContact {
  /** Rejects as `question` does. */
  ask<Answer>(question: () => Promise<Answer>): Promise<Answer>
  /** False from a question that failed to the next one that did not. */
  readonly good: boolean
  readonly withinGrace: boolean
}

export function createStoreContact({ clock, log }: { clock: Clock; log: Logger }): StoreContact {
  let good = true
  let lastGood = clock.monotonic()
  return {
    async ask(question) {
      try {
        const answer = await question()
        if (!good) log.info({}, 'The key store answers again.')
        good = true
        lastGood = clock.monotonic()
        return answer
      } catch (error) {
        if (good) log.warn({ err: error }, 'The key store does not answer: known keys go on for ten minutes.')
        good = false
        throw error
      }
    },
    get good() {
      return good
    },
    get withinGrace() {
      return clock.monotonic() - lastGood < graceMs
    },
  }
}
