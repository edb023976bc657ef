import { cancelled } from './cancelled.ts'

export interface WatchedStream {
  /** The same bytes, to be read once. */
  readonly watched: AsyncIterable<Uint8Array>
  /** Resolves when they were read to the end or left, rejects when they failed or the client went away. */
  readonly ended: Promise<void>
}

/** Tells when a stream is over, also for a reader that leaves before it has begun. */
export function watchEnd(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): WatchedStream {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
  const abandon = () => reject(cancelled(signal))
  signal.addEventListener('abort', abandon, { once: true })
  const over = () => signal.removeEventListener('abort', abandon)
  ended.then(over, over)

  const source = bytes[Symbol.asyncIterator]()
  const iterator: AsyncIterator<Uint8Array> = {
    async next() {
      try {
        const step = await source.next()
        if (step.done) resolve()
        return step
      } catch (error) {
        reject(error)
        throw error
      }
    },
    async return() {
      resolve()
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { watched: { [Symbol.asyncIterator]: () => iterator }, ended }
}
