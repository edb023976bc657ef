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

const charactersPerToken = 4

/** What a picture or a file counts as, however many bytes it has: about a thousand tokens. */
const charactersOfFile = 4_000

/** Base64, within a JSON document or a `data:` address. */
const encodedFile = /"(?:data:[^"]*|[A-Za-z0-9+/_-]{4000,}={0,2})"/g

/** About how many tokens a request is, where nobody counts them. */
export function estimateTokens(body: JsonObject): number {
  const { system, systemInstruction, instructions, messages, contents, input, prompt, tools } = body
  const said = [
    system ?? systemInstruction ?? instructions ?? '',
    messages ?? contents ?? input ?? prompt ?? [],
    tools ?? [],
  ]
  let files = 0
  const text = JSON.stringify(said).replaceAll(encodedFile, () => {
    files += 1
    return ''
  })
  return tokensOf(text.length + files * charactersOfFile)
}

/** About how many tokens a text of so many characters is. */
export function tokensOf(characters: number): number {
  return Math.ceil(characters / charactersPerToken)
}
