import { createParser } from 'eventsource-parser'
import { GatewayError } from '@toolgate/core'
import { isNestedTooDeep, maxNesting } from '../../upstream/nesting.ts'

/** Characters of one unfinished event that are held at most: the bound of any answer. */
export const maxEventLength = 64 * 1024 * 1024

/** Where a stream has got to, so that it can be taken up there. */
export interface StreamPosition {
  /** The id of the latest event that had one. */
  eventId: string | undefined
  /** What the server last said should be waited before it is asked again. */
  retryMs: number | undefined
}

/**
 * The JSON values of an SSE body's `message` events, as they arrive. Events of other types and events without data (which
 * only carry an id) are skipped; ids and pauses are noted in `position`. Rejects with a `GatewayError` where data is no JSON or nested too deep, or an event outgrows its bound.
 */
export async function* readEventStream(
  body: AsyncIterable<Uint8Array>,
  position?: StreamPosition,
): AsyncGenerator<unknown, void, undefined> {
  const arrived: string[] = []
  let tooLarge = false
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onEvent({ event = 'message', data, id }) {
      // An empty one takes back those before it.
      if (position !== undefined && id !== undefined) position.eventId = id === '' ? undefined : id
      if (event === 'message' && data !== '') arrived.push(data)
    },
    onRetry(retryMs) {
      if (position !== undefined) position.retryMs = retryMs
    },
    onError({ type }) {
      tooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    if (tooLarge) throw new GatewayError('UPSTREAM_PROTOCOL', `Event larger than ${maxEventLength} characters.`)
    for (const data of arrived.splice(0)) yield parseJson(data)
  }
}

/** `JSON.parse` whose failure quotes nothing of the text, and which refuses what could not be written again. */
export function parseJson(text: string): unknown {
  const value = parsed(text)
  if (!isNestedTooDeep(value, text.length)) return value
  throw new GatewayError('UPSTREAM_PROTOCOL', `Answer nested deeper than ${maxNesting} levels.`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GatewayError('UPSTREAM_PROTOCOL', 'Answer that is not JSON.', { cause: error })
  }
}
