import { GatewayError, isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { readServerEvents } from '../sse.ts'

/**
 * A chat completion stream as its chunks, however loosely a provider writes it: a whole answer in place of a stream is one
 * chunk, an error event is thrown, and a stream that stops before it says how it finished is an error and no answer.
 */
export async function* readChatChunks(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<JsonObject> {
  let finished = false
  for await (const { data } of readServerEvents(bytes)) {
    if (data.trim() === '[DONE]') return
    const chunk = readChunk(data)
    if (listOf(chunk['choices']).some(hasFinished)) finished = true
    yield chunk
  }
  if (finished) return
  throw new GatewayError('PROVIDER_PROTOCOL', 'The model stopped in the middle of its answer. Try again.')
}

function readChunk(data: string): JsonObject {
  const chunk = parseJsonObject(data)
  if (chunk === undefined) {
    throw new GatewayError('PROVIDER_PROTOCOL', 'The model sent an event that cannot be read. Try again.')
  }
  const { error } = chunk
  if (error !== undefined && error !== null) throw providerStreamError(chunk)
  return { ...chunk, choices: listOf(chunk['choices']).filter(isJsonObject).map(toDeltaChoice) }
}

/** A provider that sends whole messages in its chunks, or no stream at all. */
function toDeltaChoice(choice: JsonObject): JsonObject {
  const { message, ...rest } = choice
  if (isJsonObject(choice['delta']) || !isJsonObject(message)) return choice
  const { tool_calls: calls } = message
  return { ...rest, delta: { ...message, ...(Array.isArray(calls) && { tool_calls: calls.map(atItsPlace) }) } }
}

/** Whole calls stand side by side; as pieces of a stream only an index keeps those without an id apart. */
function atItsPlace(call: JsonValue, index: number): JsonValue {
  return isJsonObject(call) ? { ...call, index } : call
}

/** Some servers give every chunk a reason, an empty one until the last. */
function hasFinished(choice: unknown): boolean {
  return isJsonObject(choice) && textOf(choice['finish_reason']) !== ''
}

const inTheMiddle = 'The provider failed in the middle of its answer: '

/** An error that a provider reports within a stream, as if it had been its answer. */
export function providerStreamError(body: JsonObject): GatewayError {
  const error = isJsonObject(body['error']) ? body['error'] : { message: body['error'] ?? null }
  const { message, code, status } = error
  const numeric = [status, code].find((value) => typeof value === 'number' && value >= 400 && value <= 599)
  // Anthropic's envelope, by which the types in it are known for Anthropic's.
  const envelope = body['type'] === 'error' ? { type: 'error' } : {}
  const shown = typeof message === 'string' && message !== '' ? message : 'no message'
  // The tool loop behind a crossing has said it already.
  const told = shown.startsWith(inTheMiddle) ? shown : `${inTheMiddle}${shown.slice(0, 1_000)}`
  return new GatewayError('PROVIDER_ERROR', told, {
    details: { provider: { status: typeof numeric === 'number' ? numeric : 502, body: { ...envelope, error } } },
  })
}
