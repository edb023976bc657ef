import type { Clock } from '@toolgate/core'

export interface Deadline<Result> {
  readonly clock: Clock
  readonly ms: number
  readonly signal?: AbortSignal
  /** The answer for whoever waited until the deadline. */
  late(): Result
}

/** Waits for work that others may wait for too: at the deadline only this wait ends. Rejects when `signal` aborts. */
export async function withinDeadline<Result>(work: Promise<Result>, deadline: Deadline<Result>): Promise<Result> {
  const { clock, ms, signal, late } = deadline
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const leave = () => reject(signal?.reason)
  const cancel = clock.after(ms, () => resolve(late()))
  signal?.addEventListener('abort', leave, { once: true })
  if (signal?.aborted) leave()
  try {
    return await Promise.race([work, promise])
  } finally {
    cancel()
    signal?.removeEventListener('abort', leave)
  }
}
