/**
 * Runs one piece of work at a time. Whoever asks while one runs gets the one after it, together with everybody else who
 * asks meanwhile: however many ask, at most one waits, and each gets a run that began after it asked.
 */
export function oneAtATime<Argument, Result>(
  work: (argument: Argument) => Promise<Result>,
): (argument: Argument) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve()
  let waiting: Promise<Result> | undefined

  const enqueue = (argument: Argument): Promise<Result> => {
    const before = last
    const run = async () => {
      await before
      waiting = undefined
      return work(argument)
    }
    const result = run()
    // Who asked hears of a failure; whoever is next only waits for the end.
    last = result.catch(() => undefined)
    return result
  }

  return (argument) => (waiting ??= enqueue(argument))
}
