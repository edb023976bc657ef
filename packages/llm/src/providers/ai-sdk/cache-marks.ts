import type { SharedV4ProviderOptions } from '@ai-sdk/provider'
import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/**
 * `cache_control` of a message, of a part of one, or of a tool, as LiteLLM's clients write it for Anthropic's models, in the words of
 * each package that knows such marks. The others pass over it.
 */
export function cacheOptions(marked: JsonValue | undefined): SharedV4ProviderOptions | undefined {
  const mark = isJsonObject(marked) ? marked['cache_control'] : undefined
  if (!isJsonObject(mark)) return undefined
  return { anthropic: { cacheControl: mark }, bedrock: { cachePoint: { type: 'default' } } }
}

/** Options of several sources; empty where there are none. */
export function withOptions(...all: readonly (SharedV4ProviderOptions | undefined)[]): {
  providerOptions?: SharedV4ProviderOptions
} {
  const known = all.filter((options) => options !== undefined)
  const merged: SharedV4ProviderOptions = {}
  for (const options of known) {
    for (const [name, values] of Object.entries(options)) merged[name] = { ...merged[name], ...values }
  }
  return known.length === 0 ? {} : { providerOptions: merged }
}

export function isMarked(value: JsonValue | undefined): value is JsonObject {
  return cacheOptions(value) !== undefined
}
