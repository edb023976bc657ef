import { definePlug } from '@toolgate/core'
import { z } from 'zod'
import { followsReferences, plainSchemas } from '../schemas/profiles.ts'
import { relayJson } from './json-relay.ts'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './provider.ts'
import { withChatInstead } from './responses-or-chat.ts'
import { apiBaseSchema, apiKeySchema, timeoutMsSchema } from './settings.ts'

/**
 * OpenAI, and every server that speaks its chat completions and embeddings at an `api_base`. Same dialect on both sides, so it relays;
 * Responses as well, where the server has them.
 */

const defaultBase = 'https://api.openai.com/v1'

const schema = z
  .object({
    api_key: apiKeySchema.optional(),
    api_base: apiBaseSchema.default(defaultBase),
    timeout: timeoutMsSchema,
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
  create: (settings, { outbound, clock, newId }: ProviderOptions): LlmProvider => {
    const { api_key: apiKey, api_base: base } = settings
    const at = (address: string) =>
      relayJson({
        type: 'openai',
        outbound,
        clock,
        address,
        timeoutMs: settings.timeout,
        apiKey,
        headers: () => (apiKey === undefined ? {} : { authorization: `Bearer ${apiKey.reveal()}` }),
      })
    const schemas = base === defaultBase ? followsReferences : plainSchemas
    const chat = at(`${base}/chat/completions`)
    const embed: LlmProvider['embed'] = (body, signal) => at(`${base}/embeddings`).generate(body, signal)
    if (settings.use_chat_completions_api) return { type: 'openai', schemas, ...chat, embed }
    const responses = at(`${base}/responses`)
    const own = base === defaultBase ? responses : withChatInstead(responses, { chat, clock, newId })
    return { type: 'openai', schemas, ...chat, embed, native: { responses: own } }
  },
})

export const openAiCompatible: ProviderPlug = {
  ...plug,
  modelNames: /^(?:gpt-|chatgpt-|o1|o3|o4)/,
  apiKeyVariable: 'OPENAI_API_KEY',
}
