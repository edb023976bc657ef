import {
  type Caller,
  type CallTrace,
  type Clock,
  GatewayError,
  type NewId,
  type Recorder,
  toGatewayError,
} from '@toolgate/core'

export interface RecordingOptions {
  readonly record: Recorder
  readonly clock: Clock
  readonly newId: NewId
}

/** The outermost ring: one trace per request, told how it ended whatever happened. */
export function recording({ record, clock, newId }: RecordingOptions) {
  return <Result>(
    caller: Caller,
    about: Pick<CallTrace, 'kind' | 'method'>,
    run: (trace: CallTrace) => Promise<Result>,
  ): Promise<Result> => {
    const trace: CallTrace = { callId: newId('call'), startedAt: clock.now(), ...about }
    return record({ caller, trace }, async () => {
      try {
        const result = await run(trace)
        trace.outcome ??= 'ok'
        return result
      } catch (error) {
        const failure = failureOf(error, caller.signal)
        trace.outcome = failure.code
        trace.stage = failure.details.stage
        throw failure
      }
    })
  }
}

/** Once the caller has gone, or its deadline passed, whatever broke because of that is not what failed. */
function failureOf(error: unknown, signal: AbortSignal): GatewayError {
  if (!signal.aborted || error instanceof GatewayError) return toGatewayError(error)
  if (signal.reason instanceof GatewayError) return signal.reason
  return new GatewayError('CANCELLED', 'The request was cancelled before it was answered.', { cause: error })
}
