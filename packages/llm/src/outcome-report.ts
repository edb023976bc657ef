import { isJsonObject, type JsonObject, parseJsonObject, type ServerOutcome } from '@toolgate/core'
import { outcomeFields } from './server-outcomes.ts'
import { dataOf, isData, splitEvents, wholeEvents } from './streaming/whole-events.ts'
import type { WireDialect } from './wire.ts'

/**
 * Tells in an answer which servers the tools are missing of, where the request did not name them, whether the answer was
 * relayed or made by the loop. It stands where the dialect has an answer begin or end, as `provider_specific_fields`.
 */
export interface OutcomeReport {
  whole(answer: JsonObject): JsonObject
  /** Every event but those that bear the report stays as it is. */
  stream(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

export function outcomeReport(
  outcomes: readonly ServerOutcome[],
  dialect: Exclude<WireDialect, 'chat'>,
): OutcomeReport {
  const fields = outcomeFields(outcomes)
  if (Object.keys(fields).length === 0) return { whole: (answer) => answer, stream: (bytes) => bytes }
  const tell = (answer: JsonObject) => withFields(answer, fields)
  return { whole: tell, stream: (bytes) => rewriteEvents(bytes, places[dialect], tell) }
}

function withFields(answer: JsonObject, fields: JsonObject): JsonObject {
  const { provider_specific_fields: known } = answer
  return { ...answer, provider_specific_fields: { ...(isJsonObject(known) && known), ...fields } }
}

type Tell = (answer: JsonObject) => JsonObject

interface Place {
  /** Occurs in the bytes of events that bear it. */
  readonly mentions: RegExp
  readonly put: (event: JsonObject, tell: Tell) => JsonObject
}

const places: Readonly<Record<Exclude<WireDialect, 'chat'>, Place>> = {
  messages: { mentions: /"message_start"/, put: (event, tell) => within(event, 'message', tell) },
  responses: {
    mentions: /"response\.(?:created|completed|incomplete)"/,
    put: (event, tell) => within(event, 'response', tell),
  },
  gemini: { mentions: /"finishReason"/, put: (event, tell) => tell(event) },
}

function within(event: JsonObject, field: string, tell: Tell): JsonObject {
  const answer = event[field]
  return isJsonObject(answer) ? { ...event, [field]: tell(answer) } : event
}

async function* rewriteEvents(
  bytes: AsyncIterable<Uint8Array>,
  { mentions, put }: Place,
  tell: Tell,
): AsyncGenerator<Uint8Array> {
  for await (const events of wholeEvents(bytes)) {
    const text = events.toString('latin1')
    if (!mentions.test(text)) {
      yield events
      continue
    }
    const rewritten = splitEvents(text).map((event) => (mentions.test(event) ? rewrite(event, put, tell) : event))
    yield Buffer.from(rewritten.join(''), 'latin1')
  }
}

/** The lines of an event with its data replaced; one whose data cannot be read stays as it is. */
function rewrite(event: string, put: Place['put'], tell: Tell): string {
  const text = Buffer.from(event, 'latin1').toString('utf8')
  const fields = parseJsonObject(dataOf(text))
  if (fields === undefined) return event
  const others = text.split(/\r\n|\n|\r/).filter((line) => line !== '' && !isData(line))
  const written = [...others, `data: ${JSON.stringify(put(fields, tell))}`, '', ''].join('\n')
  return Buffer.from(written, 'utf8').toString('latin1')
}
