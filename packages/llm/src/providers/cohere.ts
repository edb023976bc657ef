import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { plainSchemas } from '../schemas/profiles.ts'
import { crossedProvider } from './ai-sdk/crossed-provider.ts'
import { fetchWithBody } from './ai-sdk/fetch-with-body.ts'
import { noSignatures } from './ai-sdk/signatures.ts'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, apiKeySchema, commonSettings } from './settings.ts'

/** Cohere's chat, crossed by the AI SDK's package; under both of the names that LiteLLM has for it. */
function cohereAs(type: string): ProviderPlug {
  const plug = definePlug({
    type,
    schema: z.object({
      ...commonSettings,
      api_key: apiKeySchema,
      api_base: apiBaseSchema.default('https://api.cohere.com/v2'),
    }),
    create: (settings, options: ProviderOptions): LlmProvider =>
      crossedProvider({
        ...options,
        type,
        settings,
        secrets: () => [settings.api_key],
        schemas: plainSchemas,
        signatures: noSignatures,
        async load(model) {
          const { createCohere } = await import('@ai-sdk/cohere')
          return createCohere({
            apiKey: settings.api_key.reveal(),
            baseURL: settings.api_base,
            fetch: fetchWithBody(options.outbound.fetch, settings.extra_body),
          })(model)
        },
      }),
  })
  return { ...plug, variables: { api_key: 'COHERE_API_KEY', api_base: 'COHERE_API_BASE' } }
}

export const cohere = cohereAs('cohere')
export const cohereChat = cohereAs('cohere_chat')
