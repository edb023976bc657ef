import type { Clock } from '@toolgate/core'
import { keepAliveEvent } from '../providers/chat-events.ts'

export interface SignsOfLife {
  readonly clock: Clock
  /** Milliseconds of silence after which a comment is sent. */
  readonly afterMs?: number
}

/** Comments while nothing is said, for a stream of whole events: what crosses one into another dialect reads over those behind it. */
export function withSignsOfLife(
  bytes: AsyncIterable<Uint8Array>,
  { clock, afterMs = 15_000 }: SignsOfLife,
): AsyncIterable<Uint8Array> {
  const source = bytes[Symbol.asyncIterator]()
  let coming: Promise<IteratorResult<Uint8Array>> | undefined
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    coming ??= source.next()
    const silence = Promise.withResolvers<undefined>()
    const cancel = clock.after(afterMs, () => silence.resolve(undefined))
    try {
      const step = await Promise.race([coming, silence.promise])
      if (step === undefined) return { done: false, value: keepAliveEvent() }
      coming = undefined
      return step
    } finally {
      cancel()
    }
  }
  const leave = async (): Promise<IteratorResult<Uint8Array>> => {
    await source.return?.()
    return { done: true, value: undefined }
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
}
