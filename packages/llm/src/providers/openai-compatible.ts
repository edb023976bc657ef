import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { openAiShaped } from './openai-shaped.ts'
import type { ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, commonSettings } from './settings.ts'

/**
 * OpenAI, and every server that speaks its chat completions and embeddings at an `api_base`. Same dialect on both sides, so it relays;
 * Responses as well, where the server has them.
 */

const defaultBase = 'https://api.openai.com/v1'

const schema = z
  .object({
    ...commonSettings,
    api_base: apiBaseSchema.default(defaultBase),
    /** Sent as `OpenAI-Organization`. */
    organization: z.string().min(1).optional(),
    /** Requests to `/v1/responses` are crossed to chat completions. */
    use_chat_completions_api: z.boolean().default(false),
  })
  .superRefine(({ api_key: apiKey, api_base: apiBase }, context) => {
    if (apiKey !== undefined || apiBase !== defaultBase) return
    context.addIssue({ code: 'custom', path: ['api_key'], message: 'is needed where no api_base is given' })
  })

const plug = definePlug({
  type: 'openai',
  schema,
  create: (settings, options: ProviderOptions) => {
    const { api_key: apiKey, api_base: base, organization } = settings
    const isOpenAi = base === defaultBase
    const has = isOpenAi ? 'own' : 'maybe'
    return openAiShaped({
      ...options,
      type: 'openai',
      settings,
      headers: {
        ...(organization !== undefined && { 'openai-organization': organization }),
        ...(apiKey && { authorization: `Bearer ${apiKey.reveal()}` }),
      },
      address: (path) => `${base}/${path}`,
      responses: settings.use_chat_completions_api ? 'none' : has,
      followsReferences: isOpenAi,
      refuses: refusedBy,
    })
  },
})

/** Models that reason take no sampling parameters. */
const reasoning = /^(?:o\d|gpt-5)/
const refusedByReasoning = [
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'logprobs',
  'top_logprobs',
  'logit_bias',
]

function refusedBy(model: string): readonly string[] {
  return reasoning.test(model) ? refusedByReasoning : []
}

export const openAiCompatible: ProviderPlug = {
  ...plug,
  modelNames: /^(?:gpt-|chatgpt-|o1|o3|o4)/,
  variables: { api_key: 'OPENAI_API_KEY' },
}
