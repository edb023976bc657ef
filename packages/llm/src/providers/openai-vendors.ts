import { createHash } from 'node:crypto'
import { definePlug, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { z } from 'zod'
import { listOf } from '../json-fields.ts'
import { openAiShaped } from './openai-shaped.ts'
import type { ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, commonSettings } from './settings.ts'

/** Who speaks OpenAI's dialect at an address of their own, under the names that LiteLLM knows them by. A new one is a line. */
interface Vendor {
  readonly type: string
  /** Absent: an entry names its `api_base`. */
  readonly base?: string
  readonly key?: string
  /** The environment variable of the address. */
  readonly address?: string
  readonly refuses?: readonly string[]
  readonly mend?: (body: JsonObject) => JsonObject
  /** LiteLLM's users write the host alone. */
  readonly addsVersion?: boolean
}

const sampling = ['logprobs', 'top_logprobs', 'logit_bias', 'n']

const vendors: readonly Vendor[] = [
  { type: 'groq', base: 'https://api.groq.com/openai/v1', key: 'GROQ_API_KEY', refuses: sampling },
  { type: 'xai', base: 'https://api.x.ai/v1', key: 'XAI_API_KEY', refuses: ['logit_bias'] },
  {
    type: 'deepseek',
    base: 'https://api.deepseek.com/v1',
    key: 'DEEPSEEK_API_KEY',
    refuses: ['logit_bias', 'n', 'seed'],
  },
  {
    type: 'mistral',
    base: 'https://api.mistral.ai/v1',
    key: 'MISTRAL_API_KEY',
    refuses: ['logprobs', 'top_logprobs', 'logit_bias', 'user', 'store', 'service_tier'],
    mend: toMistral,
  },
  { type: 'openrouter', base: 'https://openrouter.ai/api/v1', key: 'OPENROUTER_API_KEY' },
  { type: 'together_ai', base: 'https://api.together.xyz/v1', key: 'TOGETHERAI_API_KEY' },
  { type: 'fireworks_ai', base: 'https://api.fireworks.ai/inference/v1', key: 'FIREWORKS_API_KEY' },
  { type: 'perplexity', base: 'https://api.perplexity.ai', key: 'PERPLEXITYAI_API_KEY', refuses: sampling },
  { type: 'cerebras', base: 'https://api.cerebras.ai/v1', key: 'CEREBRAS_API_KEY', refuses: ['logit_bias', 'n'] },
  { type: 'nvidia_nim', base: 'https://integrate.api.nvidia.com/v1', key: 'NVIDIA_NIM_API_KEY' },
  { type: 'deepinfra', base: 'https://api.deepinfra.com/v1/openai', key: 'DEEPINFRA_API_KEY' },
  { type: 'sambanova', base: 'https://api.sambanova.ai/v1', key: 'SAMBANOVA_API_KEY', refuses: sampling },
  { type: 'moonshot', base: 'https://api.moonshot.ai/v1', key: 'MOONSHOT_API_KEY', refuses: ['logit_bias'] },
  { type: 'ollama', base: 'http://127.0.0.1:11434/v1', address: 'OLLAMA_API_BASE', addsVersion: true },
  { type: 'ollama_chat', base: 'http://127.0.0.1:11434/v1', address: 'OLLAMA_API_BASE', addsVersion: true },
  { type: 'hosted_vllm', key: 'HOSTED_VLLM_API_KEY', address: 'HOSTED_VLLM_API_BASE' },
  { type: 'lm_studio', key: 'LM_STUDIO_API_KEY', address: 'LM_STUDIO_API_BASE' },
  { type: 'litellm_proxy', key: 'LITELLM_PROXY_API_KEY', address: 'LITELLM_PROXY_API_BASE' },
  { type: 'openai_like' },
  { type: 'custom_openai' },
]

export const openAiVendors: readonly ProviderPlug[] = vendors.map(toPlug)

function toPlug({ type, base, key, address, refuses = [], mend, addsVersion = false }: Vendor): ProviderPlug {
  const withVersion = (at: string) => (addsVersion && !at.endsWith('/v1') ? `${at}/v1` : at)
  const given = apiBaseSchema.transform(withVersion)
  const schema = z
    .object({ ...commonSettings, api_base: base === undefined ? given : given.default(base) })
    .superRefine(({ api_key: apiKey, api_base: apiBase }, context) => {
      if (apiKey !== undefined || key === undefined || apiBase !== base) return
      context.addIssue({ code: 'custom', path: ['api_key'], message: `is needed: give one, or set ${key}` })
    })
  const plug = definePlug({
    type,
    schema,
    create: (settings, options: ProviderOptions) =>
      openAiShaped({
        ...options,
        type,
        settings,
        ...(settings.api_key && { headers: { authorization: `Bearer ${settings.api_key.reveal()}` } }),
        address: (path) => `${settings.api_base}/${path}`,
        responses: 'none',
        refuses: () => refuses,
        ...(mend && { mend }),
      }),
  })
  return {
    ...plug,
    variables: { ...(key !== undefined && { api_key: key }), ...(address !== undefined && { api_base: address }) },
  }
}

/** Mistral's words: a forced call is `any`, ids of calls are nine letters or digits, and streams always count their tokens. */
function toMistral({
  tool_choice: choice,
  max_completion_tokens: limit,
  stream_options: _counted,
  ...body
}: JsonObject) {
  return {
    ...body,
    ...(choice !== undefined && { tool_choice: choice === 'required' ? 'any' : choice }),
    ...(limit !== undefined && { max_tokens: limit }),
    messages: listOf(body['messages']).map(withMistralIds),
  }
}

function withMistralIds(message: JsonValue): JsonValue {
  if (!isJsonObject(message)) return message
  const { tool_call_id: answers, tool_calls: calls } = message
  return {
    ...message,
    ...(typeof answers === 'string' && { tool_call_id: toMistralId(answers) }),
    ...(Array.isArray(calls) && {
      tool_calls: calls.map((call) =>
        isJsonObject(call) && typeof call['id'] === 'string' ? { ...call, id: toMistralId(call['id']) } : call,
      ),
    }),
  }
}

function toMistralId(id: string): string {
  return /^[A-Za-z0-9]{9}$/.test(id) ? id : createHash('sha256').update(id).digest('hex').slice(0, 9)
}
