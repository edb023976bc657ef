import {
  type Clock,
  definePlug,
  isJsonObject,
  type JsonObject,
  type Outbound,
  type Secret,
  startDeadline,
} from '@toolgate/core'
import { z } from 'zod'
import { textOf } from '../json-fields.ts'
import type { LlmProvider, ProviderOptions, ProviderParty, ProviderPlug } from './provider.ts'
import { providerError, providerProtocolError, toProviderFailure, unreadableAnswer } from './provider-failure.ts'
import { withoutKeyInErrors } from './redact-stream.ts'
import { apiBaseSchema, apiKeySchema, timeoutMsSchema } from './settings.ts'

/**
 * OpenAI, and every server that speaks its chat completions at an `api_base`. Same dialect on both sides, so it relays:
 * bodies go through as they are, and so
 * do the bytes of a stream, except for our key in an error.
 */

const defaultBase = 'https://api.openai.com/v1'
/** Bytes of an answer that is read whole. */
const maxAnswerBytes = 64_000_000
const maxErrorBytes = 256_000

const schema = z
  .object({ api_key: apiKeySchema.optional(), api_base: apiBaseSchema.default(defaultBase), timeout: timeoutMsSchema })
  .superRefine(({ api_key: apiKey, api_base: apiBase }, context) => {
    if (apiKey !== undefined || apiBase !== defaultBase) return
    context.addIssue({ code: 'custom', path: ['api_key'], message: 'is needed where no api_base is given' })
  })

const plug = definePlug({
  type: 'openai',
  schema,
  create: (settings, options: ProviderOptions): LlmProvider =>
    createOpenAiCompatible({
      type: 'openai',
      outbound: options.outbound,
      clock: options.clock,
      address: `${settings.api_base}/chat/completions`,
      timeoutMs: settings.timeout,
      apiKey: settings.api_key,
    }),
})

export const openAiCompatible: ProviderPlug = {
  ...plug,
  modelNames: /^(?:gpt-|chatgpt-|o1|o3|o4)/,
  apiKeyVariable: 'OPENAI_API_KEY',
}

interface Relay {
  readonly type: string
  readonly outbound: Outbound
  readonly clock: Clock
  readonly address: string
  readonly timeoutMs: number
  /** Absent: local servers want none. */
  readonly apiKey: Secret | undefined
}

function createOpenAiCompatible(relay: Relay): LlmProvider {
  const partyOf = ({ model }: JsonObject): ProviderParty => ({
    provider: relay.type,
    model: textOf(model),
    apiKey: relay.apiKey,
  })

  return {
    type: relay.type,
    async generate(body, signal) {
      const party = partyOf(body)
      using deadline = startDeadline(relay.clock, relay.timeoutMs, signal)
      try {
        const response = await post(relay, body, deadline.signal)
        if (!isSuccess(response.status)) throw await readError(party, response)
        return parseAnswer(await response.text(maxAnswerBytes), party)
      } catch (error) {
        throw toProviderFailure(error, party, signal)
      }
    },
    async stream(body, signal) {
      const party = partyOf(body)
      try {
        const response = await post(relay, body, signal)
        if (!isSuccess(response.status)) throw await readError(party, response)
        return relayBytes(response.body, party, signal)
      } catch (error) {
        throw toProviderFailure(error, party, signal)
      }
    },
  }
}

type ProviderResponse = Awaited<ReturnType<Outbound['request']>>

function post({ outbound, address, timeoutMs, apiKey }: Relay, body: JsonObject, signal: AbortSignal) {
  return outbound.request({
    url: address,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(apiKey && { authorization: `Bearer ${apiKey.reveal()}` }),
    },
    body: JSON.stringify(body),
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
    yield* party.apiKey === undefined ? bytes : withoutKeyInErrors(bytes, party.apiKey)
  } catch (error) {
    throw toProviderFailure(error, party, signal)
  }
}
