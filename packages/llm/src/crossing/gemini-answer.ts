import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { parseArguments } from '../dialects/call-arguments.ts'
import { toText } from '../dialects/chat-turn.ts'
import { listOf, textOf } from '../json-fields.ts'
import { toReport } from './messages-answer.ts'
import type { CrossedNames } from './crossed-names.ts'

/** What of the request shapes the answer. */
export interface GeminiHead {
  readonly responseId: string
  readonly modelVersion: string
  readonly names: CrossedNames
  /** The client asked to see what the model thinks. */
  readonly includeThoughts: boolean
}

/** A chat completion as Gemini's answer. */
export function toGeminiAnswer(completion: JsonObject, head: GeminiHead): JsonObject {
  const choice = listOf(completion['choices']).find(isJsonObject) ?? {}
  const said = isJsonObject(choice['message']) ? choice['message'] : {}
  const calls = listOf(said['tool_calls']).filter(isJsonObject)
  const parts = [...toTextParts(said, head), ...calls.map((call) => toCallPart(call, head))]
  return toResponse(parts, head, { said, finish: choice['finish_reason'], usage: completion['usage'] })
}

/** Text and thoughts, of a message or of a piece of one. */
export function toTextParts(said: JsonObject, { includeThoughts }: GeminiHead): JsonObject[] {
  const thought = textOf(said['reasoning_content']) || textOf(said['reasoning'])
  const text = toText(said['content'])
  return [
    ...(includeThoughts && thought !== '' ? [{ text: thought, thought: true }] : []),
    ...(text === '' ? [] : [{ text }]),
  ]
}

export function toCallPart(call: JsonObject, { names }: GeminiHead): JsonObject {
  const called = isJsonObject(call['function']) ? call['function'] : {}
  const input = parseArguments(called['arguments'])
  const fields = call['provider_specific_fields']
  const signature = isJsonObject(fields) ? fields['thought_signature'] : undefined
  return {
    functionCall: {
      id: textOf(call['id']),
      name: names.toTool(textOf(called['name'])),
      args: input.ok ? input.value : {},
    },
    ...(typeof signature === 'string' && { thoughtSignature: signature }),
  }
}

interface Finished {
  /** The whole message, with what the tool loop tells of its work. */
  readonly said: JsonObject
  readonly finish: JsonValue | undefined
  readonly usage: JsonValue | undefined
}

/** One answer, or a piece of one where it has not finished. */
export function toResponse(
  parts: JsonObject[],
  { responseId, modelVersion }: GeminiHead,
  finished?: Finished,
): JsonObject {
  const finishReason = finished === undefined ? undefined : toFinishReason(finished.finish)
  return {
    candidates: [{ content: { role: 'model', parts }, ...(finishReason && { finishReason }), index: 0 }],
    ...(finished !== undefined && toReport(finished.said)),
    ...(isJsonObject(finished?.usage) && { usageMetadata: toUsage(finished.usage) }),
    modelVersion,
    responseId,
  }
}

function toFinishReason(reason: JsonValue | undefined): string {
  if (reason === 'length') return 'MAX_TOKENS'
  return reason === 'content_filter' ? 'SAFETY' : 'STOP'
}

function toUsage(usage: JsonObject): JsonObject {
  const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage
  const cached = detail(usage['prompt_tokens_details'], 'cached_tokens')
  const thoughts = detail(usage['completion_tokens_details'], 'reasoning_tokens')
  const [asked, answered] = [prompt, completion].map((count) => (typeof count === 'number' ? count : 0))
  return {
    promptTokenCount: asked ?? 0,
    // Gemini counts thoughts beside the answer, OpenAI within it.
    candidatesTokenCount: Math.max(0, (answered ?? 0) - thoughts),
    totalTokenCount: typeof total === 'number' ? total : (asked ?? 0) + (answered ?? 0),
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }),
    ...(cached > 0 && { cachedContentTokenCount: cached }),
  }
}

function detail(details: JsonValue | undefined, name: string): number {
  const count = isJsonObject(details) ? details[name] : undefined
  return typeof count === 'number' ? count : 0
}
