import { anthropic } from './anthropic.ts'
import { mock } from './mock.ts'
import { openAiCompatible } from './openai-compatible.ts'
import type { ProviderPlug } from './provider.ts'

/** Every provider there is: a new one is its file and a place in this list. */
export const providers: readonly ProviderPlug[] = [openAiCompatible, anthropic, mock]

/** Answers instead of the provider of an entry that has its answer in it. */
export const offline: ProviderPlug = mock
