import type { LlmServer } from '@toolgate/testing/llm-server'

/** Entries of `model_list` that the scripted model of a chat world serves, each with a key of its own. `params`: what an entry says beside. */
type Model = (llm: LlmServer, params?: object) => object

export const claudeKey = 'sk-ant-canary'
export const geminiKey = 'google-key-canary'

/** Asked in Anthropic's dialect. */
export const claude: Model = ({ origin }, params) => ({
  model_name: 'claude',
  litellm_params: { model: 'anthropic/claude-fake', api_base: origin, api_key: claudeKey, ...params },
})

/** Asked in Google's dialect. */
export const gemini: Model = ({ origin }, params) => ({
  model_name: 'gemini',
  litellm_params: { model: 'gemini/gemini-fake', api_base: origin, api_key: geminiKey, ...params },
})

/** Asked for chat completions alone: every other dialect is crossed. */
export const crossed: Model = ({ origin }, params) => ({
  model_name: 'crossed',
  litellm_params: {
    model: 'openai/chat-only',
    api_base: `${origin}/v1`,
    api_key: 'sk-crossed-canary',
    use_chat_completions_api: true,
    ...params,
  },
})
