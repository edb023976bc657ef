import { type Cancel, type Clock, type Logger, systemClock } from '@toolgate/core'
import { createBatchWriter, type LedgerStore, type WriteLimits } from './batch-writer.ts'
import type { LedgerRow } from './ledger-row.ts'

/**
 * Buffers ledger rows and writes them in batches, so that a call never waits for storage. While the store is down, rows wait
 * up to a bound; beyond it new ones are dropped and counted. Open on failure: a call is worth more than its row.
 */
export interface Ledger {
  /** Never throws and never waits. */
  append(row: LedgerRow): void
  /** Rows that wait to be written. */
  readonly buffered: number
  /** Rows since start that were given up. */
  readonly dropped: number
  /** Takes no more rows and writes what is left within `closeTimeoutMs`; what is left then is dropped. Never rejects. */
  close(): Promise<void>
}

export interface LedgerLimits extends WriteLimits {
  readonly bufferedRows: number
  readonly batchRows: number
  /** Milliseconds a row may wait for its batch to fill. */
  readonly lingerMs: number
  readonly closeTimeoutMs: number
}

export const ledgerLimits: LedgerLimits = {
  bufferedRows: 10_000,
  batchRows: 500,
  lingerMs: 1_000,
  closeTimeoutMs: 5_000,
  writeTimeoutMs: 10_000,
  retryMs: 500,
  maxRetryMs: 30_000,
}

export interface LedgerOptions {
  readonly store: LedgerStore
  readonly log: Logger
  readonly clock?: Clock
  readonly limits?: LedgerLimits
}

export function createLedger({ store, log, clock = systemClock, limits = ledgerLimits }: LedgerOptions): Ledger {
  const buffer: LedgerRow[] = []
  const writer = createBatchWriter({ store, log, clock, limits })
  const losses = countLosses(log)
  let closed = false
  let cancelLinger: Cancel | undefined
  let draining: Promise<void> | undefined

  /** A full batch; a rest waits for company, unless nothing more will come. */
  const moreAtOnce = () => buffer.length >= (closed ? 1 : limits.batchRows)

  const drain = async () => {
    do {
      const batch = buffer.slice(0, limits.batchRows)
      if (!(await writer.write(batch))) return
      buffer.splice(0, batch.length)
      losses.pause()
    } while (moreAtOnce())
  }

  const startDraining = () => {
    cancelLinger?.()
    cancelLinger = undefined
    draining ??= drain().finally(() => {
      draining = undefined
      if (!closed) waitForCompany()
    })
  }

  const waitForCompany = () => {
    if (moreAtOnce()) startDraining()
    else if (buffer.length > 0 && draining === undefined) cancelLinger ??= clock.after(limits.lingerMs, startDraining)
  }

  return {
    append(row) {
      if (closed || buffer.length >= limits.bufferedRows) return losses.add(1)
      buffer.push(row)
      waitForCompany()
    },
    get buffered() {
      return buffer.length
    },
    get dropped() {
      return losses.total
    },
    async close() {
      closed = true
      const cancelDeadline = clock.after(limits.closeTimeoutMs, () => writer.stop())
      writer.hurry()
      while (moreAtOnce() && !writer.stopped) {
        startDraining()
        await draining
      }
      cancelDeadline()
      if (buffer.length > 0) losses.add(buffer.splice(0).length)
    },
  }
}

/** Counts rows given up, and says so once per outage: a line per row would be an outage of its own. */
function countLosses(log: Logger) {
  let total = 0
  let losing = false
  return {
    add(rows: number) {
      total += rows
      if (!losing) log.error({ dropped: total }, 'ledger rows are dropped')
      losing = true
    },
    /** The store takes rows again. */
    pause() {
      if (losing) log.warn({ dropped: total }, 'ledger rows are written again')
      losing = false
    },
    get total() {
      return total
    },
  }
}
