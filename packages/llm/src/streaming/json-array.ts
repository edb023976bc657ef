import { readServerEvents } from '../sse.ts'

const encoder = new TextEncoder()

/** A stream of events as one JSON list of what is in them, element by element as it comes. */
export async function* toJsonArray(events: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let begun = false
  for await (const { data } of readServerEvents(events)) {
    if (data.trim() === '[DONE]') continue
    yield encoder.encode(`${begun ? ',' : '['}${data}\n`)
    begun = true
  }
  yield encoder.encode(begun ? ']' : '[]')
}
