import { plugRegistry } from '@toolgate/core'
import { anthropic } from './anthropic.ts'
import { mock } from './mock.ts'
import { openAiCompatible } from './openai-compatible.ts'

/** Every provider there is: a new one is its file and a line here. */
export const providers = plugRegistry([openAiCompatible, anthropic, mock])

/** Answers instead of the provider of an entry that has its answer in it. */
export const offline = mock

/** Providers that a model name without `provider/` belongs to, as in LiteLLM. First match wins. */
export const placements: readonly { readonly names: RegExp; readonly provider: string }[] = [
  { names: /^claude-/, provider: 'anthropic' },
  { names: /^(?:gpt-|chatgpt-|o1|o3|o4)/, provider: 'openai' },
  { names: /^gemini-/, provider: 'gemini' },
]
