import type { Clock } from '@toolgate/core'
import { keepAliveEvent, toEvent } from '../providers/chat-events.ts'
import type { WireDialect } from '../wire.ts'

export interface SignsOfLife {
  /** The client's. */
  readonly dialect: WireDialect
  readonly clock: Clock
  /** Milliseconds of silence after which a sign is sent. */
  readonly afterMs?: number
}

/**
 * Google's SDKs read lines and refuse a comment. A piece without a candidate, or whose part is empty, makes their chats forget
 * the whole answer; one with an empty text is what Google itself ends its streams with.
 */
const emptyPiece = toEvent({ candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, index: 0 }] })

const signs: Readonly<Record<WireDialect, Uint8Array>> = {
  chat: keepAliveEvent(),
  responses: keepAliveEvent(),
  messages: keepAliveEvent(),
  gemini: emptyPiece,
}

/** Signs of life while nothing is said, in a stream that is cut behind whole events. A reader that leaves is heard at once. */
export function withSignsOfLife(
  bytes: AsyncIterable<Uint8Array>,
  { dialect, clock, afterMs = 15_000 }: SignsOfLife,
): AsyncIterable<Uint8Array> {
  const source = bytes[Symbol.asyncIterator]()
  let coming: Promise<IteratorResult<Uint8Array>> | undefined
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    coming ??= source.next()
    const silence = Promise.withResolvers<undefined>()
    const cancel = clock.after(afterMs, () => silence.resolve(undefined))
    try {
      const step = await Promise.race([coming, silence.promise])
      if (step === undefined) return { done: false, value: signs[dialect] }
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
