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

/** Characters within which the first event of a stream must end for the outcomes to be put behind it. */
const maxFirstEvent = 100_000

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
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of bytes) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    const end = endOfEvent(head)
    if (end === undefined && head.length <= maxFirstEvent) continue
    yield head.subarray(0, end)
    const first = end === undefined ? undefined : readChunk(head.subarray(0, end).toString('utf8'))
    if (first !== undefined) yield toEvent(toChunk(first, { provider_specific_fields: report }))
    if (end !== undefined && end < head.length) yield head.subarray(end)
    head = undefined
  }
  if (head !== undefined && head.length > 0) yield head
}

/** The first event that is none of comments alone: keep-alives come before it. */
function endOfEvent(bytes: Buffer): number | undefined {
  const text = bytes.toString('latin1')
  const found = /(?:^|[\r\n])data:[^]*?(?:\r\n\r\n|\n\n|\r\r)/.exec(text)
  return found === null ? undefined : found.index + found[0].length
}

function readChunk(events: string) {
  const data = events
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length))
  const chunk = parseJsonObject(data.join('\n'))
  if (chunk === undefined || typeof chunk['id'] !== 'string') return undefined
  const { id, created, model } = chunk
  return { id, created: typeof created === 'number' ? created : 0, model: textOf(model) }
}
