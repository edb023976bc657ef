import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { openAiShaped } from './openai-shaped.ts'
import type { ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, apiKeySchema, commonSettings } from './settings.ts'

/**
 * Azure OpenAI. The model is the name of a deployment, and part of the address; an `api_base` that ends in `/openai/v1` is
 * Azure's newer API, which is OpenAI's own with Azure's credential.
 */
const plug = definePlug({
  type: 'azure',
  schema: z
    .object({
      ...commonSettings,
      api_base: apiBaseSchema,
      api_version: z.string().min(1).default('2024-10-21'),
      /** Microsoft Entra, in place of a key. */
      azure_ad_token: apiKeySchema.optional(),
    })
    .superRefine(({ api_key: apiKey, azure_ad_token: token }, context) => {
      if (apiKey !== undefined || token !== undefined) return
      context.addIssue({ code: 'custom', path: ['api_key'], message: 'is needed, or azure_ad_token' })
    }),
  create: (settings, options: ProviderOptions) => {
    const { api_key: key, azure_ad_token: token, api_base: base, api_version: version } = settings
    const isNewer = base.endsWith('/openai/v1')
    return openAiShaped({
      ...options,
      type: 'azure',
      settings: { ...settings, api_key: key ?? token },
      headers: key === undefined ? { authorization: `Bearer ${token?.reveal() ?? ''}` } : { 'api-key': key.reveal() },
      address: (path, model) =>
        isNewer
          ? `${base}/${path}`
          : `${base}/openai/deployments/${encodeURIComponent(model)}/${path}?api-version=${encodeURIComponent(version)}`,
      responses: isNewer ? 'own' : 'none',
      followsReferences: true,
    })
  },
})

export const azure: ProviderPlug = {
  ...plug,
  variables: {
    api_key: 'AZURE_API_KEY',
    api_base: 'AZURE_API_BASE',
    api_version: 'AZURE_API_VERSION',
    azure_ad_token: 'AZURE_AD_TOKEN',
  },
}
