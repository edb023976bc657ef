import { type Clock, untilAborted } from '@toolgate/core'
import { cancelled, type FailurePlace, timedOut } from './failure.ts'

export interface StageBound {
  readonly clock: Clock
  readonly ms: number
  readonly place: FailurePlace
  readonly signal: AbortSignal
}

/**
 * Runs one stage of connecting within its bound. At the bound, or when `signal` aborts, `work`'s own signal aborts and the
 * rejection says which of the two it was, whatever `work` makes of it.
 */
export async function withinStage<Result>(
  { clock, ms, place, signal }: StageBound,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  const leave = () => controller.abort(cancelled(place, signal.reason))
  const cancel = clock.after(ms, () => controller.abort(timedOut(place, ms)))
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    return await untilAborted(controller.signal, () => work(controller.signal))
  } finally {
    cancel()
    signal.removeEventListener('abort', leave)
  }
}
