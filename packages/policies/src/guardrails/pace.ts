import { setImmediate as turn } from 'node:timers/promises'

/** Work on texts, with turns of the event loop for others in between: whoever sends a long text costs nobody but himself. */
export interface Pace {
  /** After some work on so many characters. Rejects when nobody waits for the rest any more. */
  worked(characters: number): Promise<void>
}

/** Characters; a rule looks through as many in some tens of milliseconds, in a hundred or so where it finds places all over. */
const perTurn = 100_000

/** What a step costs however short its text is, in characters: very many short texts are as long as one. */
const perStep = 20

export function startPace(signal: AbortSignal): Pace {
  let since = 0
  return {
    async worked(characters) {
      since += characters + perStep
      if (since < perTurn) return
      since = 0
      await turn()
      signal.throwIfAborted()
    },
  }
}
