import { type Clock, isJsonObject, type JsonObject, type Outbound, type Secret, startDeadline } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import { nothingPasses, type Passing, type Wire } from '../wire.ts'
import type { ProviderParty } from './provider.ts'
import { providerError, providerProtocolError, toProviderFailure, unreadableAnswer } from './provider-failure.ts'
import { withoutKeyInErrors } from './redact-stream.ts'
import { credentialsIn } from './told-credentials.ts'

/** Bytes of an answer that is read whole. */
const maxAnswerBytes = 64_000_000
const maxErrorBytes = 256_000

export interface JsonRelay {
  readonly type: string
  readonly outbound: Outbound
  readonly clock: Clock
  /** Where a request goes; `streamed` where an event stream is asked for. */
  readonly address: (body: JsonObject, streamed: boolean) => string
  readonly timeoutMs: number
  /** Absent: local servers want none. */
  readonly apiKey: Secret | undefined
  /** The credential; it wins over what passes. */
  readonly headers: (signal: AbortSignal) => Headers | Promise<Headers>
  /** What the provider wants where the client said nothing. */
  readonly defaults?: Readonly<Record<string, string>>
  /** What is sent, where it is not the body as it is. */
  readonly toBody?: (body: JsonObject) => JsonObject
}

type Headers = Readonly<Record<string, string>>

/**
 * A provider that speaks the client's own dialect: bodies go through as they are, and so do the bytes of a stream, except
 * for our credentials in an error.
 */
export function relayJson(relay: JsonRelay): Wire {
  const partyOf = ({ model }: JsonObject, passing: Passing | undefined, own: Headers = {}): ProviderParty => ({
    provider: relay.type,
    model: passing?.model ?? textOf(model),
    credentials: [...(relay.apiKey === undefined ? [] : [relay.apiKey]), ...credentialsIn(own)],
  })

  return {
    async generate(body, signal, passing) {
      let party = partyOf(body, passing)
      using deadline = startDeadline(relay.clock, relay.timeoutMs, signal)
      try {
        const own = await relay.headers(deadline.signal)
        party = partyOf(body, passing, own)
        const response = await post(relay, body, { signal: deadline.signal, passing, own, streamed: false })
        if (!isSuccess(response.status)) throw await readError(party, response)
        return parseAnswer(await response.text(maxAnswerBytes), party)
      } catch (error) {
        throw toProviderFailure(error, party, signal)
      }
    },
    async stream(body, signal, passing) {
      let party = partyOf(body, passing)
      try {
        const own = await relay.headers(signal)
        party = partyOf(body, passing, own)
        const response = await post(relay, body, { signal, passing, own, streamed: true })
        if (!isSuccess(response.status)) throw await readError(party, response)
        return relayBytes(response.body, party, signal)
      } catch (error) {
        throw toProviderFailure(error, party, signal)
      }
    },
  }
}

type ProviderResponse = Awaited<ReturnType<Outbound['request']>>

interface Sending {
  readonly signal: AbortSignal
  readonly passing: Passing | undefined
  readonly own: Headers
  readonly streamed: boolean
}

async function post(
  { outbound, address, timeoutMs, defaults, toBody }: JsonRelay,
  body: JsonObject,
  { signal, passing = nothingPasses, own, streamed }: Sending,
) {
  return outbound.request({
    url: `${address(body, streamed)}${passing.query}`,
    method: 'POST',
    headers: {
      ...defaults,
      ...passing.headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...own,
    },
    body: JSON.stringify(toBody?.(body) ?? body),
    signal,
    headersTimeoutMs: timeoutMs,
    bodyTimeoutMs: timeoutMs,
  })
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

async function readError(party: ProviderParty, response: ProviderResponse) {
  const { status } = response
  const retryAfter = response.header('retry-after')
  return providerError(party, { status, retryAfter, text: await response.text(maxErrorBytes) })
}

function parseAnswer(text: string, party: ProviderParty): JsonObject {
  const answer = parseJson(text, party)
  if (isJsonObject(answer)) return answer
  throw providerProtocolError(party, 'answered with JSON that is no object.')
}

function parseJson(text: string, party: ProviderParty): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unreadableAnswer(party, error)
  }
}

async function* relayBytes(bytes: AsyncIterable<Uint8Array>, party: ProviderParty, signal: AbortSignal) {
  try {
    yield* party.credentials.length === 0 ? bytes : withoutKeyInErrors(bytes, party.credentials)
  } catch (error) {
    throw toProviderFailure(error, party, signal)
  }
}
