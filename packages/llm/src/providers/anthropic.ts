import { AISDKError, APICallError, type LanguageModelV4, UnsupportedFunctionalityError } from '@ai-sdk/provider'
import {
  type Deadline,
  definePlug,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type Secret,
  startDeadline,
} from '@toolgate/core'
import { z } from 'zod'
import { toCallOptions } from './ai-sdk/chat-to-options.ts'
import { toChatCompletion } from './ai-sdk/result-to-chat.ts'
import { toChatEvents } from './ai-sdk/stream-to-chat.ts'
import { textOf } from '../json-fields.ts'
import { followsReferences } from '../schemas/profiles.ts'
import { type ChunkHead, wantsUsage } from './chat-events.ts'
import { relayJson } from './json-relay.ts'
import type { LlmProvider, ProviderOptions, ProviderParty, ProviderPlug } from './provider.ts'
import { providerError, toProviderFailure, unreadableAnswer } from './provider-failure.ts'
import { apiBaseSchema, apiKeySchema, timeoutMsSchema } from './settings.ts'

/**
 * Anthropic's Messages API: relayed where it is what the client speaks, else crossed to and from chat completions by the AI
 * SDK's provider, loaded when first used.
 */
const plug = definePlug({
  type: 'anthropic',
  schema: z.object({
    api_key: apiKeySchema,
    api_base: apiBaseSchema.default('https://api.anthropic.com').transform(toVersionedBase),
    timeout: timeoutMsSchema,
  }),
  create: (settings, options: ProviderOptions): LlmProvider => {
    const { api_key: apiKey, api_base: baseUrl, timeout: timeoutMs } = settings
    const relay = (path: string) =>
      relayJson({
        type: 'anthropic',
        outbound: options.outbound,
        clock: options.clock,
        address: `${baseUrl}/${path}`,
        timeoutMs,
        apiKey,
        headers: () => ({ 'x-api-key': apiKey.reveal() }),
        defaults: { 'anthropic-version': '2023-06-01' },
      })
    return {
      ...createAnthropicProvider({ ...options, apiKey, baseUrl, timeoutMs }),
      schemas: followsReferences,
      native: { messages: relay('messages'), countTokens: relay('messages/count_tokens') },
    }
  },
})

export const anthropic: ProviderPlug = { ...plug, modelNames: /^claude-/, apiKeyVariable: 'ANTHROPIC_API_KEY' }

/** LiteLLM's `api_base` is the host, with or without the version or the whole path; the AI SDK's ends in the version. */
function toVersionedBase(apiBase: string): string {
  const base = apiBase.replace(/\/messages$/, '')
  return base.endsWith('/v1') ? base : `${base}/v1`
}

interface AnthropicSettings extends ProviderOptions {
  readonly apiKey: Secret
  readonly baseUrl: string
  readonly timeoutMs: number
}

function createAnthropicProvider(settings: AnthropicSettings): LlmProvider {
  const { clock, newId, timeoutMs, apiKey } = settings

  const begin = async (body: JsonObject, signal: AbortSignal) => {
    const model = textOf(body['model'])
    const head: ChunkHead = { id: newId('chatcmpl'), created: Math.floor(clock.now() / 1_000), model }
    const call = {
      ...toCallOptions(body, signal),
      ...(body['parallel_tool_calls'] === false && {
        providerOptions: { anthropic: { disableParallelToolUse: true } },
      }),
    }
    return { head, call, model: await loadModel(settings, model) }
  }
  const partyOf = ({ model }: JsonObject): ProviderParty => ({ provider: 'anthropic', model: textOf(model), apiKey })

  return {
    type: 'anthropic',
    async generate(body, signal) {
      using deadline = startDeadline(clock, timeoutMs, signal)
      try {
        const { head, call, model } = await begin(body, deadline.signal)
        return toChatCompletion(await model.doGenerate(call), head)
      } catch (error) {
        throw toFailure(error, partyOf(body), signal)
      }
    },
    async stream(body, signal) {
      const deadline = startDeadline(clock, timeoutMs, signal)
      try {
        const { head, call, model } = await begin(body, deadline.signal)
        const { stream } = await model.doStream(call)
        const events = toChatEvents(stream, { head, includeUsage: wantsUsage(body) })
        return bounded(events, deadline, (error) => toFailure(error, partyOf(body), signal))
      } catch (error) {
        deadline[Symbol.dispose]()
        throw toFailure(error, partyOf(body), signal)
      }
    },
  }
}

async function loadModel(
  { apiKey, baseUrl, outbound, newId }: AnthropicSettings,
  model: string,
): Promise<LanguageModelV4> {
  const { createAnthropic } = await import('@ai-sdk/anthropic')
  return createAnthropic({
    apiKey: apiKey.reveal(),
    baseURL: baseUrl,
    fetch: outbound.fetch,
    generateId: () => newId('call'),
  })(model)
}

/** Ends the deadline with the stream. */
async function* bounded(
  events: AsyncIterable<Uint8Array>,
  deadline: Deadline,
  toFailure: (error: unknown) => GatewayError,
) {
  try {
    yield* events
  } catch (error) {
    throw toFailure(error)
  } finally {
    deadline[Symbol.dispose]()
  }
}

/** The SDK's errors hold the whole request; what goes into a log is only what they wrap. */
function toFailure(error: unknown, party: ProviderParty, signal: AbortSignal): GatewayError {
  if (signal.aborted) return toProviderFailure(error, party, signal)
  if (UnsupportedFunctionalityError.isInstance(error)) {
    return new GatewayError(
      'INVALID_REQUEST',
      `The provider "${party.provider}" cannot do this: ${error.functionality}.`,
    )
  }
  if (isReportedInStream(error)) {
    const { statusCode, type, message } = error
    return providerError(party, {
      status: statusCode,
      text: JSON.stringify({ type: 'error', error: { type, message } }),
    })
  }
  if (APICallError.isInstance(error)) {
    const status = error.statusCode
    if (status !== undefined && status >= 300) {
      const retryAfter = error.responseHeaders?.['retry-after']
      return providerError(party, { status, retryAfter, text: error.responseBody ?? error.message })
    }
    // A success that could not be read: either its text made no sense, or the connection broke under it.
    if (!AISDKError.isInstance(error.cause)) return toProviderFailure(error.cause, party, signal)
  }
  if (!AISDKError.isInstance(error)) return toProviderFailure(error, party, signal)
  return unreadableAnswer(party, error.cause)
}

/** An error event of a stream, which the SDK reports as a plain object with the status it stands for. */
function isReportedInStream(error: unknown): error is { statusCode: number; type: string; message: string } {
  return isJsonObject(error) && !(error instanceof Error) && typeof error['statusCode'] === 'number'
}
