import { type Caller, type CallTrace, type Clock, type NewId, type Recorder, settled } from '@toolgate/core'

export interface RecordingOptions {
  readonly record: Recorder
  readonly clock: Clock
  readonly newId: NewId
}

/** The outermost ring: one trace per request, told how it ended whatever happened. */
export function recording({ record, clock, newId }: RecordingOptions) {
  return <Result>(
    caller: Caller,
    about: Pick<CallTrace, 'kind' | 'method' | 'round'>,
    run: (trace: CallTrace) => Promise<Result>,
  ): Promise<Result> => {
    const trace: CallTrace = { callId: newId('call'), startedAt: clock.now(), ...about }
    return record({ caller, trace }, () => settled(trace, caller.signal, () => run(trace)))
  }
}
