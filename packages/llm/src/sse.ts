import { GatewayError } from '@toolgate/core'
import { createParser } from 'eventsource-parser'

/** One server-sent event of a provider. */
export interface ServerEvent {
  readonly name: string | undefined
  readonly data: string
}

/** Characters of one event: an image in base64 fits, an endless line does not. */
const maxEventLength = 64_000_000

/** Characters of a stream that is put together to an answer: as many as an answer that is read whole. */
const maxStreamLength = 64_000_000

/**
 * A provider's stream as its events, wherever its bytes were cut. A provider that answers with one JSON document although a
 * stream was asked for gives one event: its document. Rejects with a plain `Error` what is no event stream at all, and with
 * `PROVIDER_PROTOCOL` what does not end.
 */
export async function* readServerEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const arrived: ServerEvent[] = []
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent: ({ event, data }) => void arrived.push({ name: event, data }),
  })
  const decoder = new TextDecoder()
  let document: string | undefined
  let begun = false
  let length = 0
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true })
    length += text.length
    if (length > maxStreamLength) throw endless()
    if (!begun && text.trim() !== '') {
      begun = true
      if (text.trimStart().startsWith('{')) document = ''
    }
    if (document === undefined) parser.feed(text)
    else document += text
    yield* arrived.splice(0)
  }
  if (document !== undefined) yield { name: undefined, data: document }
  // The last event of a stream that ends without its blank line.
  parser.feed('\n\n')
  yield* arrived.splice(0)
}

function endless(): GatewayError {
  return new GatewayError('PROVIDER_PROTOCOL', 'The model does not come to an end of its answer. Ask it for less.')
}
