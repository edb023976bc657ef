import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { parseArguments } from '../dialects/call-arguments.ts'
import { toText } from '../dialects/chat-turn.ts'
import { listOf, textOf } from '../json-fields.ts'
import type { CrossedNames } from './crossed-names.ts'

/** A chat completion as an Anthropic message. */
export function toMessage(completion: JsonObject, message: JsonObject, names: CrossedNames): JsonObject {
  const choice = listOf(completion['choices']).find(isJsonObject) ?? {}
  const said = isJsonObject(choice['message']) ? choice['message'] : {}
  const text = toText(said['content'])
  const thought = textOf(said['reasoning_content']) || textOf(said['reasoning'])
  const calls = listOf(said['tool_calls']).filter(isJsonObject)
  return {
    ...message,
    content: [
      ...(thought === '' ? [] : [{ type: 'thinking', thinking: thought, signature: '' }]),
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...calls.map((call) => toToolUse(call, names)),
    ],
    stop_reason: toStopReason(choice['finish_reason'], calls.length > 0),
    usage: toMessageUsage(completion['usage']),
    ...toReport(said),
  }
}

/** What the tool loop tells of its work. */
export function toReport({ provider_specific_fields: report }: JsonObject): JsonObject {
  return isJsonObject(report) ? { provider_specific_fields: report } : {}
}

export function toToolUse(call: JsonObject, names: CrossedNames): JsonObject {
  const called = isJsonObject(call['function']) ? call['function'] : {}
  const input = parseArguments(called['arguments'])
  return {
    type: 'tool_use',
    id: textOf(call['id']),
    name: names.toTool(textOf(called['name'])),
    input: input.ok ? input.value : {},
  }
}

export function toStopReason(reason: JsonValue | undefined, called: boolean): string {
  if (called) return 'tool_use'
  if (reason === 'length') return 'max_tokens'
  return reason === 'content_filter' ? 'refusal' : 'end_turn'
}

/** What was read from a cache is counted apart, as Anthropic does. */
export function toMessageUsage(usage: JsonValue | undefined): JsonObject {
  const {
    prompt_tokens: prompt,
    completion_tokens: completion,
    prompt_tokens_details: details,
  } = isJsonObject(usage) ? usage : {}
  const cached = isJsonObject(details) && typeof details['cached_tokens'] === 'number' ? details['cached_tokens'] : 0
  return {
    input_tokens: typeof prompt === 'number' ? Math.max(0, prompt - cached) : 0,
    output_tokens: typeof completion === 'number' ? completion : 0,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: 0,
  }
}
