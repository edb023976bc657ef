import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { ModelPrices } from './deployment-routing.ts'
import { tokenCount } from './usage.ts'

/**
 * What an answer costs, from the tokens its provider counted, in whichever dialect. OpenAI counts cached tokens among those of
 * the prompt, Anthropic beside them.
 */
export function costOf(usage: JsonObject | undefined, prices: ModelPrices | undefined): number | undefined {
  if (usage === undefined || prices === undefined) return undefined
  const prompt = count(usage['prompt_tokens']) || count(usage['input_tokens'])
  const completion = count(usage['completion_tokens']) || count(usage['output_tokens'])
  const beside = count(usage['cache_read_input_tokens'])
  const written = count(usage['cache_creation_input_tokens'])
  const details = usage['prompt_tokens_details'] ?? usage['input_tokens_details']
  const within = isJsonObject(details) ? Math.min(count(details['cached_tokens']), prompt) : 0
  const isAnthropic = 'input_tokens' in usage && 'cache_read_input_tokens' in usage
  const read = isAnthropic ? beside : within
  const fresh = isAnthropic ? prompt : prompt - within
  return (
    fresh * prices.input +
    read * (prices.cacheRead ?? prices.input) +
    (isAnthropic ? written * (prices.cacheWrite ?? prices.input) : 0) +
    completion * prices.output
  )
}

function count(value: JsonValue | undefined): number {
  return tokenCount(value) ?? 0
}
