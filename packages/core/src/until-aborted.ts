/**
 * Waits for `work`, at most until `signal` aborts: then rejects with its reason, whatever becomes of the work, and
 * whatever the work itself makes of that signal. Does not begin where the signal has aborted already.
 */
export async function untilAborted<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const leave = () => reject(signal.reason)
  // Before the work begins: of two listeners on one signal the first one wins the race.
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([aborted, work()])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}
