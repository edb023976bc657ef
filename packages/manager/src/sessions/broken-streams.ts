import type { Cancel, Clock } from '@toolgate/core'

/** Milliseconds that what goes on behind a broken stream may go on without its client: as long as what it says is kept. */
export const unheardMs = 5 * 60_000

/** Broken streams behind which something goes on, of one session and in all. */
const maxOfSession = 16
const maxInAll = 1_024

export interface BrokenStream {
  readonly id: string
  readonly sessionId: string
  /** Ends what goes on behind it. */
  abandon(): void
}

/**
 * Calls outlive the stream that their answer was to go to, because its client may come back. Not for ever, and not in any number: a
 * client that breaks its streams must not have more under way than one that waits.
 */
export interface BrokenStreams {
  /** Abandons it at once where there are too many. */
  add(stream: BrokenStream): void
  /** Its client did: the time begins anew. */
  cameBack(id: string): void
  delete(id: string): void
}

export function createBrokenStreams(clock: Clock): BrokenStreams {
  const waiting = new Map<string, { readonly stream: BrokenStream; cancel: Cancel }>()

  const remove = (id: string) => {
    const entry = waiting.get(id)
    waiting.delete(id)
    entry?.cancel()
    return entry?.stream
  }
  const expectBack = (stream: BrokenStream) =>
    waiting.set(stream.id, { stream, cancel: clock.after(unheardMs, () => remove(stream.id)?.abandon()) })

  return {
    add(stream) {
      const ofSession = [...waiting.values()].filter((entry) => entry.stream.sessionId === stream.sessionId)
      if (ofSession.length >= maxOfSession || waiting.size >= maxInAll) stream.abandon()
      else expectBack(stream)
    },
    cameBack(id) {
      const stream = remove(id)
      if (stream !== undefined) expectBack(stream)
    },
    delete: (id) => void remove(id),
  }
}
