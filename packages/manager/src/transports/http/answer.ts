import {
  type Clock,
  GatewayError,
  isJsonObject,
  isJsonRpcMessage,
  isResponse,
  type JsonObject,
  type OutboundResponse,
  type Secret,
  sleep,
} from '@toolgate/core'
import { outOfProtocol, unreachable, upstreamError } from '../../upstream/failure.ts'
import type { InFlightCall } from '../../upstream/in-flight-call.ts'
import type { ServerTraffic } from '../../upstream/server-traffic.ts'
import { parseJson, readEventStream, type StreamPosition } from './event-stream.ts'

/** Bytes of one JSON answer. */
const maxAnswerBytes = 64 * 1024 * 1024

/** Bytes of an answer that nobody reads. */
const maxIgnoredBytes = 64 * 1024

/** Milliseconds that a server may take to end a stream after its response; then the socket is cut. */
const lingerMs = 1_000

/** Streams in a row that brought no further event, after which a call is given up. */
const maxFruitlessResumptions = 5

/** Milliseconds before a stream is taken up, where the server does not say, and at most. */
const defaultRetryMs = 1_000
const maxRetryMs = 30_000

/** The call's own clocks bound every exchange, so that messages say which one ran out. */
export const unbounded = { headersTimeoutMs: 0, bodyTimeoutMs: 0 } as const

export interface AnswerTo {
  readonly call: InFlightCall
  /** Gets what the server says on the call's stream before it answers. */
  readonly traffic: ServerTraffic
  /** Kept out of an error of the server. */
  readonly secrets: () => readonly Secret[]
  readonly clock: Clock
  /** Asks for what follows this event, where the protocol lets a stream be taken up again. */
  readonly resume?: (eventId: string) => Promise<OutboundResponse>
}

/** The result of one call out of the HTTP response to it, which is one JSON document or an event stream. */
export function readAnswer(response: OutboundResponse, to: AnswerTo): Promise<JsonObject> {
  const contentType = response.header('content-type')?.toLowerCase() ?? ''
  if (contentType.startsWith('application/json')) return readDocument(response, to)
  if (contentType.startsWith('text/event-stream')) return readStream(response, to)
  response.discard()
  return Promise.reject(outOfProtocol(to.call.place, `HTTP ${response.status} and neither JSON nor an event stream`))
}

async function readDocument(response: OutboundResponse, to: AnswerTo): Promise<JsonObject> {
  const parsed = parseJson(await response.text(maxAnswerBytes))
  // A batch may answer a single request in protocol version 2025-03-26.
  for (const value of Array.isArray(parsed) ? parsed : [parsed]) {
    const result = take(value, to)
    if (result !== undefined) return result
  }
  throw outOfProtocol(to.call.place, 'no response to this request')
}

/**
 * A server may end a stream before it has answered, and wants to be asked again for the rest (spec 2025-11-25, Transports,
 * Resumability); a stream that was cut is taken up in the same way. Without ids there is nothing to ask for.
 */
async function readStream(response: OutboundResponse, to: AnswerTo): Promise<JsonObject> {
  const { call, clock, resume } = to
  const position: StreamPosition = { eventId: undefined, retryMs: undefined }
  let current = response
  for (let fruitless = 0; ; fruitless += 1) {
    const before = position.eventId
    const read = await readToItsEnd(current, to, position)
    if ('result' in read) return read.result
    if (resume === undefined || position.eventId === undefined) throw read.failure
    if (position.eventId !== before) fruitless = 0
    if (fruitless === maxFruitlessResumptions) throw read.failure
    await sleep(clock, Math.min(position.retryMs ?? defaultRetryMs, maxRetryMs), call.signal)
    current = await resume(position.eventId)
  }
}

type Read = { readonly result: JsonObject } | { readonly failure: unknown }

async function readToItsEnd(response: OutboundResponse, to: AnswerTo, position: StreamPosition): Promise<Read> {
  const stream = readEventStream(response.body, position)
  try {
    for (let event = await stream.next(); event.done !== true; event = await stream.next()) {
      const result = take(event.value, to)
      if (result === undefined) continue
      void finish(stream, response, to.clock)
      return { result }
    }
  } catch (error) {
    response.discard()
    // What the server said is wrong, or nobody waits any more: there is nothing to take up.
    if (error instanceof GatewayError || to.call.failure !== undefined) throw error
    return { failure: error }
  }
  return { failure: unreachable(to.call.place, { why: 'ended its event stream before it answered' }) }
}

/** A stream ends with its response; reading that end keeps the socket for the next call, cutting it does not. */
async function finish(stream: AsyncGenerator, response: OutboundResponse, clock: Clock): Promise<void> {
  const cancel = clock.after(lingerMs, () => response.discard())
  try {
    while ((await stream.next()).done !== true);
  } catch {
    // The answer is in; how the stream ends after it concerns nobody.
  } finally {
    cancel()
  }
}

/** The result, where this message is the response; anything else is the server's own traffic. */
function take(value: unknown, { call, traffic, secrets }: AnswerTo): JsonObject | undefined {
  if (!isJsonRpcMessage(value)) throw outOfProtocol(call.place, 'something that is no JSON-RPC message')
  if (!isResponse(value)) {
    traffic.hear(value, call)
    return undefined
  }
  // An error without id is the answer to a request that could not be read: on this exchange, ours.
  const unread = 'error' in value && (value.id === undefined || value.id === null)
  if (value.id !== call.id && !unread) throw outOfProtocol(call.place, 'the response to another request')
  if ('error' in value) throw upstreamError(call.place, value.error, secrets())
  if (!isJsonObject(value.result)) throw outOfProtocol(call.place, 'a result that is no object')
  return value.result
}

export function succeeded({ status }: OutboundResponse): boolean {
  return status >= 200 && status <= 299
}

/** Reads a small body away, which keeps the socket usable. An event stream may never end and is cut. */
export async function drain(response: OutboundResponse): Promise<void> {
  if (response.header('content-type')?.startsWith('text/event-stream') === true) return response.discard()
  await response.text(maxIgnoredBytes)
}
