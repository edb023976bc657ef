import type { SharedV4ProviderOptions } from '@ai-sdk/provider'
import { isJsonObject, type JsonObject, type Secret } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import type { Wire } from '../wire.ts'
import { type JsonRelay, relayJson } from './json-relay.ts'
import type { NativeWires, ProviderOptions } from './provider.ts'
import type { CommonSettings } from './settings.ts'

/** Gemini's own dialect, on each of its platforms: the model stands in the address and not in the body. */
export interface GeminiRelay extends ProviderOptions {
  readonly type: string
  readonly settings: CommonSettings
  readonly apiKey: Secret | undefined
  /** What `/models/…` follows. */
  readonly base: string
  readonly headers: JsonRelay['headers']
}

export function relayGemini({ type, settings, apiKey, base, headers, outbound, clock }: GeminiRelay): NativeWires {
  const relay = (whole: string, streamed: string): Wire =>
    relayJson({
      type,
      outbound,
      clock,
      address: ({ model }, wantsStream) =>
        `${base}/models/${encodeURIComponent(textOf(model))}:${wantsStream ? streamed : whole}`,
      timeoutMs: settings.timeout,
      apiKey,
      headers,
      toBody: ({ model: _model, stream: _stream, ...body }) => ({ ...body, ...settings.extra_body }),
    })
  return {
    gemini: relay('generateContent', 'streamGenerateContent?alt=sse'),
    countGeminiTokens: relay('countTokens', 'countTokens'),
  }
}

/** Gemini's words in a chat completion: thinking as LiteLLM's clients ask for it, shown as Gemini shows it. */
export function toGoogleOptions({ thinking }: JsonObject): SharedV4ProviderOptions | undefined {
  if (!isJsonObject(thinking)) return undefined
  const { budget_tokens: budget, type } = thinking
  const thinkingBudget = type === 'disabled' ? 0 : budget
  return {
    google: {
      thinkingConfig: { includeThoughts: type !== 'disabled', ...(thinkingBudget !== undefined && { thinkingBudget }) },
    },
  }
}
