/** An answer of server-sent events; no proxy on the way may collect them. */
export function eventStream(events: AsyncIterable<Uint8Array>): Response {
  return new Response(ReadableStream.from(events), {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    },
  })
}
