import {
  encodeOutcome,
  isFailedOutcome,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  type ServerOutcome,
} from '@toolgate/core'
import { listOf, textOf } from './json-fields.ts'
import { toChunk, toEvent } from './providers/chat-events.ts'
import { dataOf, splitEvents, wholeEvents } from './streaming/whole-events.ts'

/**
 * What a client is told about servers whose tools are missing from its request. A server the request did not name may fail;
 * its failure is reported, as `provider_specific_fields`, beside what the loop reports.
 */

/** Empty where every server was listed. */
export function outcomeFields(outcomes: readonly ServerOutcome[]): JsonObject {
  const failed = outcomes.filter(isFailedOutcome)
  return failed.length === 0 ? {} : { mcp_server_outcomes: failed.map(encodeOutcome) }
}

/** An answer that no loop has touched, with the outcomes in the message of its first choice. */
export function withOutcomes(response: JsonObject, outcomes: readonly ServerOutcome[]): JsonObject {
  const report = outcomeFields(outcomes)
  const [choice, ...others] = listOf(response['choices'])
  if (Object.keys(report).length === 0 || !isJsonObject(choice) || !isJsonObject(choice['message'])) return response
  const { provider_specific_fields: fields } = choice['message']
  const message = { ...choice['message'], provider_specific_fields: { ...(isJsonObject(fields) && fields), ...report } }
  return { ...response, choices: [{ ...choice, message }, ...others] }
}

/**
 * A relayed stream with one chunk more: behind the provider's first event, whose id it bears, so that it belongs to the same
 * answer. Every byte of the provider's stays as it is. A stream that begins with anything else is left alone.
 */
export function streamWithOutcomes(
  bytes: AsyncIterable<Uint8Array>,
  outcomes: readonly ServerOutcome[],
): AsyncIterable<Uint8Array> {
  const report = outcomeFields(outcomes)
  return Object.keys(report).length === 0 ? bytes : insertReport(bytes, report)
}

async function* insertReport(bytes: AsyncIterable<Uint8Array>, report: JsonObject): AsyncGenerator<Uint8Array> {
  let isTold = false
  for await (const events of wholeEvents(bytes)) {
    const first = isTold ? undefined : firstWithData(events)
    if (first === undefined) {
      yield events
      continue
    }
    isTold = true
    yield events.subarray(0, first.end)
    const chunk = readChunk(first.data)
    if (chunk !== undefined) yield toEvent(toChunk(chunk, { provider_specific_fields: report }))
    if (first.end < events.length) yield events.subarray(first.end)
  }
}

/** Keep-alives come before it, which are comments alone. */
function firstWithData(events: Buffer): { readonly data: string; readonly end: number } | undefined {
  let end = 0
  for (const event of splitEvents(events.toString('latin1'))) {
    end += event.length
    const data = dataOf(event)
    if (data !== '') return { data: Buffer.from(data, 'latin1').toString('utf8'), end }
  }
  return undefined
}

function readChunk(data: string) {
  const chunk = parseJsonObject(data)
  if (chunk === undefined || typeof chunk['id'] !== 'string') return undefined
  const { id, created, model } = chunk
  return { id, created: typeof created === 'number' ? created : 0, model: textOf(model) }
}
