import type { SharedV4ProviderOptions } from '@ai-sdk/provider'
import { definePlug, isJsonObject, type JsonObject } from '@toolgate/core'
import { z } from 'zod'
import { followsReferences } from '../schemas/profiles.ts'
import { crossedProvider } from './ai-sdk/crossed-provider.ts'
import { fetchWithBody } from './ai-sdk/fetch-with-body.ts'
import { anthropicSignatures } from './ai-sdk/signatures.ts'
import { relayJson } from './json-relay.ts'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, apiKeySchema, commonSettings } from './settings.ts'

/**
 * Anthropic's Messages API: relayed where it is what the client speaks, else crossed to and from chat completions by the AI
 * SDK's provider, loaded when first used.
 */
const plug = definePlug({
  type: 'anthropic',
  schema: z.object({
    ...commonSettings,
    api_key: apiKeySchema,
    api_base: apiBaseSchema.default('https://api.anthropic.com').transform(toVersionedBase),
  }),
  create: (settings, options: ProviderOptions): LlmProvider => {
    const { api_key: apiKey, api_base: baseUrl, timeout: timeoutMs, extra_headers: extraHeaders } = settings
    const relay = (path: string) =>
      relayJson({
        type: 'anthropic',
        outbound: options.outbound,
        clock: options.clock,
        address: () => `${baseUrl}/${path}`,
        timeoutMs,
        apiKey,
        headers: () => ({ ...extraHeaders, 'x-api-key': apiKey.reveal() }),
        defaults: { 'anthropic-version': '2023-06-01' },
        toBody: (body) => ({ ...body, ...settings.extra_body }),
      })
    const crossed = crossedProvider({
      ...options,
      type: 'anthropic',
      settings,
      secrets: () => [apiKey],
      schemas: followsReferences,
      signatures: anthropicSignatures,
      providerOptions: toThinkingOptions,
      async load(model) {
        const { createAnthropic } = await import('@ai-sdk/anthropic')
        return createAnthropic({
          apiKey: apiKey.reveal(),
          baseURL: baseUrl,
          fetch: fetchWithBody(options.outbound.fetch, settings.extra_body),
          generateId: () => options.newId('call'),
        })(model)
      },
    })
    return { ...crossed, native: { messages: relay('messages'), countTokens: relay('messages/count_tokens') } }
  },
})

export const anthropic: ProviderPlug = {
  ...plug,
  modelNames: /^claude-/,
  variables: { api_key: 'ANTHROPIC_API_KEY', api_base: 'ANTHROPIC_API_BASE' },
}

/** LiteLLM's `api_base` is the host, with or without the version or the whole path; the AI SDK's ends in the version. */
function toVersionedBase(apiBase: string): string {
  const base = apiBase.replace(/\/messages$/, '')
  return base.endsWith('/v1') ? base : `${base}/v1`
}

/** Anthropic's words in a chat completion, as LiteLLM's clients write them. */
export function toThinkingOptions({
  parallel_tool_calls: parallel,
  thinking,
}: JsonObject): SharedV4ProviderOptions | undefined {
  const options = {
    ...(parallel === false && { disableParallelToolUse: true }),
    ...(isJsonObject(thinking) && { thinking: { ...thinking, budgetTokens: thinking['budget_tokens'] } }),
  }
  return Object.keys(options).length === 0 ? undefined : { anthropic: options }
}
