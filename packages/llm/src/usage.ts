import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/** Adds two usage objects field by field, also fields nobody here knows; what is no number is taken from the later one. */
export function sumUsage(earlier: JsonObject | undefined, later: JsonObject | undefined): JsonObject | undefined {
  if (earlier === undefined || later === undefined) return later ?? earlier
  const sum: JsonObject = { ...earlier }
  for (const [field, value] of Object.entries(later)) sum[field] = sumField(earlier[field], value)
  return sum
}

function sumField(earlier: JsonValue | undefined, later: JsonValue): JsonValue {
  if (typeof earlier === 'number' && typeof later === 'number') return earlier + later
  if (isJsonObject(earlier) && isJsonObject(later)) return sumUsage(earlier, later) ?? later
  return later ?? earlier ?? null
}

/** Tokens of a request, in whichever words its dialect counts them. Unknown counts as none. */
export function totalTokens(usage: JsonObject = {}): number {
  const total = usage['total_tokens'] ?? usage['totalTokenCount']
  return typeof total === 'number' ? total : (promptTokens(usage) ?? 0) + (completionTokens(usage) ?? 0)
}

/** Those that its provider had in its cache or put there among them: Anthropic counts them beside the others. */
export function promptTokens(usage: JsonObject): number | undefined {
  const { prompt_tokens: all, input_tokens: fresh } = usage
  if (typeof all === 'number') return tokenCount(all)
  const { cache_read_input_tokens: read, cache_creation_input_tokens: written } = usage
  const counts = [fresh, read, written].map(tokenCount).filter((count) => count !== undefined)
  return counts.length === 0 ? undefined : tokenCount(counts.reduce((sum, count) => sum + count))
}

export function completionTokens({ completion_tokens, output_tokens }: JsonObject): number | undefined {
  return tokenCount(completion_tokens ?? output_tokens)
}

/** No answer has more, and the ledger's columns hold no more. */
const maxTokens = 2_147_483_647

/** A provider's count as one that can be reckoned with; undefined where it is none: `1e999` in JSON is infinite. */
export function tokenCount(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= maxTokens ? Math.round(value) : undefined
}
