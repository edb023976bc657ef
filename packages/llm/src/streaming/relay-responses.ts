import { type GatewayError, type JsonObject, toGatewayError } from '@toolgate/core'
import { numberedEvents } from '../dialects/response-events.ts'

const numbered = '"sequence_number":'
/** Characters that the field takes with its number and what follows it. */
const longestField = 48

/** Relays a stream of Responses as it is; a failure on the way becomes its last event, numbered as the next one. */
export async function* relayResponses(
  bytes: AsyncIterable<Uint8Array>,
  toFields: (error: GatewayError) => JsonObject,
): AsyncGenerator<Uint8Array> {
  let last = -1
  let tail = ''
  try {
    for await (const chunk of bytes) {
      const text = tail + Buffer.from(chunk).toString('latin1')
      last = lastNumberIn(text) ?? last
      tail = text.slice(-longestField)
      yield chunk
    }
  } catch (error) {
    // The answer has begun: an event is all that can still tell the client.
    yield numberedEvents(last + 1)('error', toFields(toGatewayError(error)))
  }
}

/** One that is still cut off is found with the next bytes. */
function lastNumberIn(text: string): number | undefined {
  const at = text.lastIndexOf(numbered)
  const found = at === -1 ? null : /^\s*(\d+)[\s,}]/.exec(text.slice(at + numbered.length, at + longestField))
  return found === null ? undefined : Number(found[1])
}
