import { anthropic } from './anthropic.ts'
import { azure } from './azure.ts'
import { bedrock } from './bedrock.ts'
import { cohere, cohereChat } from './cohere.ts'
import { gemini } from './gemini.ts'
import { mock } from './mock.ts'
import { openAiCompatible } from './openai-compatible.ts'
import { openAiVendors } from './openai-vendors.ts'
import type { ProviderPlug } from './provider.ts'
import { vertexClaude, vertexGemini } from './vertex.ts'

/** Every provider there is: a new one is its file and a place in this list. */
export const providers: readonly ProviderPlug[] = [
  openAiCompatible,
  anthropic,
  azure,
  bedrock,
  gemini,
  vertexClaude,
  vertexGemini,
  cohere,
  cohereChat,
  ...openAiVendors,
  mock,
]

/** Answers instead of the provider of an entry that has its answer in it. */
export const offline: ProviderPlug = mock
