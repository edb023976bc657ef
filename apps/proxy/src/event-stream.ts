/** An answer of server-sent events; no proxy on the way may collect them. */
export function eventStream(events: AsyncIterable<Uint8Array>): Response {
  return new Response(toReadable(events), {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    },
  })
}

/**
 * Asks for the first piece at once: what was never begun cannot be left, so a reader that goes before its first read would
 * leave everything behind the stream open. `ReadableStream.from` waits for that read. Every other piece is asked for by its reader.
 */
export function toReadable(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]()
  let first: Promise<IteratorResult<Uint8Array>> | undefined = iterator.next()
  // Whoever reads it hears of its failure.
  first.catch(() => {})
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = first ?? iterator.next()
        first = undefined
        const step = await next
        if (step.done === true) controller.close()
        else controller.enqueue(step.value)
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
