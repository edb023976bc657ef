export interface Besides<Result> {
  readonly judge: () => Promise<unknown>
  /** Ended where the call is denied meanwhile. */
  readonly run: (signal: AbortSignal) => Promise<Result>
  readonly signal: AbortSignal
}

/** Runs a call while it is judged; its result is there once both are done. */
export async function besides<Result>({ judge, run, signal }: Besides<Result>): Promise<Result> {
  const denial = new AbortController()
  const judging = judge().catch((error: unknown) => {
    denial.abort(error)
    throw error
  })
  const running = run(AbortSignal.any([signal, denial.signal]))
  // What the call makes of being ended is not why it was.
  const [judged, ran] = await Promise.allSettled([judging, running])
  if (judged.status === 'rejected') throw judged.reason
  if (ran.status === 'rejected') throw ran.reason
  return ran.value
}
