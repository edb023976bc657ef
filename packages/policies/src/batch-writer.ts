import { type Clock, type Logger, sleep, startDeadline, untilAborted } from '@toolgate/core'
import type { LedgerRow } from './ledger-row.ts'

/** Where ledger rows end up. */
export interface LedgerStore {
  /**
   * Writes all rows or rejects. Rows may come twice, when an answer was late or lost, and must then be there once.
   * `signal` aborts when the answer is no longer waited for.
   */
  append(rows: readonly LedgerRow[], signal: AbortSignal): Promise<void>
}

/** Milliseconds. */
export interface WriteLimits {
  readonly writeTimeoutMs: number
  /** Pause after the first failed write; doubles with each further one up to `maxRetryMs`. */
  readonly retryMs: number
  readonly maxRetryMs: number
}

export interface BatchWriterOptions {
  readonly store: LedgerStore
  readonly log: Logger
  readonly clock: Clock
  readonly limits: WriteLimits
}

/** Writes one batch at a time, again and again with growing pauses, until the store took it or nobody wants it any more. */
export interface BatchWriter {
  /** True once written, false where {@link BatchWriter.stop} came first. Never rejects. */
  write(rows: readonly LedgerRow[]): Promise<boolean>
  /** Ends a pause, so that the next attempt starts now. */
  hurry(): void
  /** Ends the attempt or pause under way and all to come. */
  stop(): void
  readonly stopped: boolean
}

export function createBatchWriter({ store, log, clock, limits }: BatchWriterOptions): BatchWriter {
  const stopping = new AbortController()
  let pausing = new AbortController()

  const attempt = async (rows: readonly LedgerRow[]) => {
    using deadline = startDeadline(clock, limits.writeTimeoutMs, stopping.signal)
    await untilAborted(deadline.signal, () => store.append(rows, deadline.signal))
  }

  const pause = async (delayMs: number) => {
    pausing = new AbortController()
    await sleep(clock, delayMs, pausing.signal)
  }

  return {
    async write(rows) {
      for (let failures = 0; !stopping.signal.aborted; failures += 1) {
        if (failures > 0) await pause(Math.min(limits.maxRetryMs, limits.retryMs * 2 ** (failures - 1)))
        if (stopping.signal.aborted) break
        try {
          await attempt(rows)
          return true
        } catch (error) {
          // Tried again after the next pause; how many rows wait meanwhile is the buffer's bound.
          log.warn({ err: error, attempts: failures + 1, rows: rows.length }, 'ledger rows could not be written yet')
        }
      }
      return false
    },
    hurry: () => pausing.abort(),
    get stopped() {
      return stopping.signal.aborted
    },
    stop() {
      stopping.abort(new Error('the ledger is closed'))
      pausing.abort()
    },
  }
}
