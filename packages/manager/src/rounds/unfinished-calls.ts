import type { Cancel, Clock, Recorder, TracedCall } from '@toolgate/core'
import { roundMs } from './call-states.ts'

/** Calls that wait for another round before they are recorded; one more is recorded at once. */
const maxUnfinished = 10_000

/**
 * One call is one row of the ledger, however many rounds it takes: between two of them its trace waits here. A call that
 * nobody goes on with is recorded as what it came to, when its time is up.
 */
export interface UnfinishedCalls {
  /** Puts the row off. False: there is no room, and it is written now. */
  putOff(call: TracedCall): boolean
  /** Takes it, for the next round: each can be gone on with once. Absent after its time, and where another gateway has it. */
  take(callId: string): TracedCall | undefined
  /** Records all that wait. */
  close(): void
}

export function createUnfinishedCalls({
  clock,
  record,
}: {
  readonly clock: Clock
  readonly record: Recorder
}): UnfinishedCalls {
  const waiting = new Map<string, { readonly call: TracedCall; readonly cancel: Cancel }>()

  const take = (callId: string) => {
    const entry = waiting.get(callId)
    waiting.delete(callId)
    entry?.cancel()
    return entry?.call
  }

  const giveUp = (callId: string) => {
    const call = take(callId)
    if (call === undefined) return
    call.trace.putOff = false
    void record(call, async () => undefined)
  }

  return {
    putOff(call) {
      const { callId } = call.trace
      if (waiting.size >= maxUnfinished) return false
      waiting.set(callId, { call, cancel: clock.after(roundMs, () => giveUp(callId)) })
      return true
    },
    take,
    close() {
      for (const callId of waiting.keys()) giveUp(callId)
    },
  }
}
