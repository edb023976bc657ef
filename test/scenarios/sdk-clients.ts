import Anthropic, { type ClientOptions as AnthropicOptions } from '@anthropic-ai/sdk'
import OpenAI, { type ClientOptions as OpenAiOptions } from 'openai'
import type { Booted } from '../boot.ts'

/** The official SDKs as their users have them, with the master key where the options name no other. */

const origin = 'http://toolgate.test'

export function openAiSdk(gateway: Booted, options: OpenAiOptions = {}): OpenAI {
  return new OpenAI({ apiKey: gateway.masterKey, baseURL: `${origin}/v1`, fetch: gateway.fetch, ...options })
}

export function anthropicSdk(gateway: Booted, options: AnthropicOptions = {}): Anthropic {
  return new Anthropic({ apiKey: gateway.masterKey, baseURL: origin, fetch: gateway.fetch, ...options })
}
