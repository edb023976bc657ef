import { type Clock, type Logger, type Recorder, systemClock, type TracedCall } from '@toolgate/core'
import type { LedgerRow } from './ledger-row.ts'

/**
 * The outermost ring of both spines: measures a call and leaves one row of what its trace says, whether it was answered,
 * failed or denied; a call of several rounds leaves it after the last. It never delays or fails a call, and it keeps neither arguments nor results.
 */
export interface RecorderOptions {
  /** Takes the row at once; {@link Ledger.append}. */
  readonly append: (row: LedgerRow) => void
  readonly log: Logger
  readonly clock?: Clock
  /** Hears every row, for metrics. */
  readonly onRecorded?: (row: LedgerRow) => void
}

export function createRecorder({ append, log, clock = systemClock, onRecorded }: RecorderOptions): Recorder {
  const record = (call: TracedCall, roundMs: number) => {
    const { trace } = call
    trace.spentMs = (trace.spentMs ?? 0) + roundMs
    if (trace.putOff === true) return
    try {
      const row = toRow(call, trace.spentMs)
      append(row)
      onRecorded?.(row)
    } catch (error) {
      // The call has its result; a listener's mistake must not take it away.
      log.error({ err: error, callId: trace.callId }, 'a call could not be recorded')
    }
  }

  return async (call, run) => {
    const startedAt = clock.monotonic()
    try {
      return await run()
    } finally {
      record(call, clock.monotonic() - startedAt)
    }
  }
}

function toRow({ caller: { principal, request }, trace }: TracedCall, durationMs: number): LedgerRow {
  const {
    callId,
    startedAt,
    outcome = 'INTERNAL',
    spentMs: _spent,
    continued: _continued,
    putOff: _off,
    ...passed
  } = trace
  const { keyHash, keyAlias, userId, teamId, clientId } = principal
  const { traceId, requestId, door } = request
  return {
    ...passed,
    id: callId,
    traceId,
    requestId,
    door,
    principalId: principal.id,
    keyHash,
    keyAlias,
    userId,
    teamId,
    client: clientId ?? request.client,
    outcome,
    startedAt: new Date(startedAt),
    durationMs,
  }
}
