import { isJsonObject, type JsonObject } from '@toolgate/core'
import { createParser } from 'eventsource-parser'

/** Characters of one event; a longer one is relayed all the same and only not looked into. */
const maxEventLength = 1_000_000

/**
 * Passes a chat stream through byte for byte and reports the usage in it. It looks only into events that mention usage:
 * the others are most of the stream.
 */
export async function* watchUsage(
  bytes: AsyncIterable<Uint8Array>,
  onUsage: (usage: JsonObject) => void,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder()
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent: ({ data }) => {
      const usage = data.includes('"usage"') ? readUsage(data) : undefined
      if (usage !== undefined) onUsage(usage)
    },
  })
  for await (const chunk of bytes) {
    feed(parser, decoder.decode(chunk, { stream: true }))
    yield chunk
  }
}

function feed(parser: ReturnType<typeof createParser>, text: string): void {
  try {
    parser.feed(text)
  } catch {
    // Counting must not end a stream: its usage stays unknown.
  }
}

function readUsage(data: string): JsonObject | undefined {
  try {
    const chunk: unknown = JSON.parse(data)
    const usage = isJsonObject(chunk) ? chunk['usage'] : undefined
    return isJsonObject(usage) ? usage : undefined
  } catch {
    // Not JSON: relayed as it is, and without usage.
    return undefined
  }
}
