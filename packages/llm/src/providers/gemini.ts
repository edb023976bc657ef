import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { geminiSchemas } from '../schemas/profiles.ts'
import { crossedProvider } from './ai-sdk/crossed-provider.ts'
import { fetchWithBody } from './ai-sdk/fetch-with-body.ts'
import { googleSignatures } from './ai-sdk/signatures.ts'
import { relayGemini, toGoogleOptions } from './gemini-relay.ts'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, apiKeySchema, commonSettings } from './settings.ts'

/** Google's Gemini API, with a key. Relayed where it is what the client speaks, else crossed by the AI SDK's package. */
const plug = definePlug({
  type: 'gemini',
  schema: z.object({
    ...commonSettings,
    api_key: apiKeySchema,
    api_base: apiBaseSchema.default('https://generativelanguage.googleapis.com').transform(toVersionedBase),
  }),
  create: (settings, options: ProviderOptions): LlmProvider => {
    const { api_key: apiKey, api_base: base } = settings
    const crossed = crossedProvider({
      ...options,
      type: 'gemini',
      settings,
      secrets: () => [apiKey],
      schemas: geminiSchemas,
      signatures: googleSignatures,
      providerOptions: toGoogleOptions,
      async load(model) {
        const { createGoogle } = await import('@ai-sdk/google')
        const google = createGoogle({
          apiKey: apiKey.reveal(),
          baseURL: base,
          fetch: fetchWithBody(options.outbound.fetch, settings.extra_body),
          generateId: () => options.newId('call'),
        })
        return google(model)
      },
    })
    const headers = () => ({ ...settings.extra_headers, 'x-goog-api-key': apiKey.reveal() })
    return { ...crossed, native: relayGemini({ ...options, type: 'gemini', settings, apiKey, base, headers }) }
  },
})

export const gemini: ProviderPlug = {
  ...plug,
  variables: { api_key: 'GEMINI_API_KEY', api_base: 'GEMINI_API_BASE' },
}

function toVersionedBase(apiBase: string): string {
  return /\/v1(?:beta|alpha)?$/.test(apiBase) ? apiBase : `${apiBase}/v1beta`
}
