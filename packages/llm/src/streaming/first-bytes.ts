/**
 * Waits for the first bytes of a stream, so that what fails before them fails as a whole request does. The bytes are the same;
 * they are read once. A crossing waits for those of its provider before it writes any of its own.
 */
export async function withFirstBytes(bytes: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const source = bytes[Symbol.asyncIterator]()
  let first: IteratorResult<Uint8Array> | undefined = await source.next()
  const iterator: AsyncIterator<Uint8Array> = {
    next() {
      const step = first
      first = undefined
      return step === undefined ? source.next() : Promise.resolve(step)
    },
    async return() {
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
