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
export function totalTokens(usage: JsonObject | undefined): number {
  const { total_tokens, totalTokenCount, prompt_tokens, completion_tokens, input_tokens, output_tokens } = usage ?? {}
  const total = total_tokens ?? totalTokenCount
  if (typeof total === 'number') return total
  return [prompt_tokens, completion_tokens, input_tokens, output_tokens].reduce<number>(
    (sum, count) => sum + (typeof count === 'number' ? count : 0),
    0,
  )
}

const charactersPerToken = 4

/** About how many tokens a request is, where nobody counts them. */
export function estimateTokens(body: JsonObject): number {
  const { system, systemInstruction, messages, contents, tools } = body
  const said = [system ?? systemInstruction ?? '', messages ?? contents ?? [], tools ?? []]
  return Math.ceil(JSON.stringify(said).length / charactersPerToken)
}
