export interface Besides<Result> {
  readonly judge: (signal: AbortSignal) => Promise<unknown>
  /** Ended where the call is denied meanwhile. */
  readonly run: (signal: AbortSignal) => Promise<Result>
  readonly signal: AbortSignal
}

/**
 * Runs a call while it is judged; its result is there once both are done. A call that failed has nothing that needs judging:
 * its failure waits for nobody.
 */
export async function besides<Result>({ judge, run, signal }: Besides<Result>): Promise<Result> {
  const denial = new AbortController()
  const failure = new AbortController()
  // What either makes of being ended is not why it was: the first one counts.
  const reasons: { readonly error: unknown }[] = []
  const ending = (other: AbortController) => (error: unknown) => {
    reasons.push({ error })
    other.abort(error)
    throw error
  }
  const judging = judge(AbortSignal.any([signal, failure.signal])).catch(ending(denial))
  const running = run(AbortSignal.any([signal, denial.signal])).catch(ending(failure))
  await Promise.allSettled([judging, running])
  const [reason] = reasons
  if (reason !== undefined) throw reason.error
  return running
}
