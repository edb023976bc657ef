import {
  type Clock,
  type ErrorCode,
  GatewayError,
  type Logger,
  type Recorder,
  systemClock,
  type TracedCall,
} from '@toolgate/core'
import type { LedgerRow } from './ledger-row.ts'

/**
 * The outermost ring of both spines: measures a call, settles its outcome and leaves one row, whether it was answered,
 * failed or denied. It never delays or fails a call, and it keeps neither arguments nor results.
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
  const record = (call: TracedCall, durationMs: number) => {
    try {
      const row = toRow(call, durationMs)
      append(row)
      onRecorded?.(row)
    } catch (error) {
      // The call has its result; a listener's mistake must not take it away.
      log.error({ err: error, callId: call.trace.callId }, 'a call could not be recorded')
    }
  }

  return async (call, run) => {
    const { trace } = call
    const startedAt = clock.monotonic()
    try {
      const result = await run()
      trace.outcome ??= 'ok'
      return result
    } catch (error) {
      trace.outcome = failureCode(error, call)
      if (error instanceof GatewayError) trace.stage = error.details.stage ?? trace.stage
      throw error
    } finally {
      record(call, clock.monotonic() - startedAt)
    }
  }
}

/** An abort that nobody translated is the caller's going away, not a fault of ours. */
function failureCode(error: unknown, { caller }: TracedCall): ErrorCode {
  if (error instanceof GatewayError) return error.code
  return caller.signal.aborted ? 'CANCELLED' : 'INTERNAL'
}

function toRow({ caller: { principal, request }, trace }: TracedCall, durationMs: number): LedgerRow {
  return {
    id: trace.callId,
    traceId: request.traceId,
    requestId: request.requestId,
    door: request.door,
    kind: trace.kind,
    method: trace.method,
    principalId: principal.id,
    keyHash: principal.keyHash,
    keyAlias: principal.keyAlias,
    userId: principal.userId,
    teamId: principal.teamId,
    serverId: trace.serverId,
    serverName: trace.serverName,
    publicName: trace.publicName,
    targetName: trace.targetName,
    credentialType: trace.credentialType,
    model: trace.model,
    provider: trace.provider,
    round: trace.round,
    promptTokens: trace.promptTokens,
    completionTokens: trace.completionTokens,
    stage: trace.stage,
    outcome: trace.outcome ?? 'INTERNAL',
    startedAt: new Date(trace.startedAt),
    durationMs,
  }
}
