import { type JsonObject, parseJsonObject } from '@toolgate/core'
import { createParser } from 'eventsource-parser'

/** Characters of one event; a longer one is relayed all the same and only not looked into. */
const maxEventLength = 16_000_000

/**
 * Passes a stream through byte for byte. The chunk in which an event of interest ends goes on when `onEvent` is done with
 * that event; events in which `mentions` does not occur are not looked into.
 */
export async function* watchEvents(
  bytes: AsyncIterable<Uint8Array>,
  mentions: string,
  onEvent: (event: JsonObject) => Promise<void> | void,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder()
  let found: JsonObject[] = []
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent: ({ data }) => {
      const event = data.includes(mentions) ? parseJsonObject(data) : undefined
      if (event !== undefined) found.push(event)
    },
  })
  for await (const chunk of bytes) {
    try {
      parser.feed(decoder.decode(chunk, { stream: true }))
    } catch {
      // Looking must not end a stream.
    }
    for (const event of found) await onEvent(event)
    found = []
    yield chunk
  }
}
