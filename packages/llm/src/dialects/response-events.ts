import { isJsonObject, type JsonObject, type NewId, parseJsonObject } from '@toolgate/core'
import { textOf } from '../json-fields.ts'

/** Events of OpenAI's Responses stream, as bytes, numbered in the order in which they are written. */

const encoder = new TextEncoder()

export type WriteEvent = (type: string, fields: JsonObject) => Uint8Array

export function numberedEvents(from = 0): WriteEvent {
  let sequence = from
  return (type, fields) => {
    const event = { ...fields, type, sequence_number: sequence }
    sequence += 1
    return encoder.encode(`event: ${type}\ndata: ${JSON.stringify(event)}\n\n`)
  }
}

/** A response that has begun: what the client asked for stands in it. */
export function beginResponse(
  request: JsonObject,
  { id, createdAt, model }: { id: string; createdAt: number; model: string },
): JsonObject {
  const { instructions, max_output_tokens, metadata, parallel_tool_calls, previous_response_id, text } = request
  const { reasoning, store, temperature, tool_choice, tools, top_p, truncation, user } = request
  return {
    id,
    object: 'response',
    created_at: createdAt,
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    instructions: instructions ?? null,
    max_output_tokens: max_output_tokens ?? null,
    model,
    output: [],
    parallel_tool_calls: parallel_tool_calls ?? true,
    previous_response_id: previous_response_id ?? null,
    reasoning: reasoning ?? { effort: null, summary: null },
    store: store ?? true,
    temperature: temperature ?? null,
    text: text ?? { format: { type: 'text' } },
    tool_choice: tool_choice ?? 'auto',
    tools: tools ?? [],
    top_p: top_p ?? null,
    truncation: truncation ?? 'disabled',
    usage: null,
    user: user ?? null,
    metadata: metadata ?? {},
  }
}

/** Text of an assistant message, as an item. */
export function toMessageItem(id: string, text: string): JsonObject {
  return { id, type: 'message', status: 'completed', role: 'assistant', content: [toTextPart(text)] }
}

/** What the model thought, as far as it says so. */
export function toReasoningItem(id: string, text: string): JsonObject {
  return { id, type: 'reasoning', status: 'completed', summary: [{ type: 'summary_text', text }] }
}

export function toTextPart(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

/** How a finished response ended. */
export function finishedAs(finishReason: unknown): JsonObject {
  if (finishReason === 'length') return { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }
  if (finishReason === 'content_filter')
    return { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }
  return { status: 'completed' }
}

/** Chat's counts in the words of Responses. */
export function toResponseUsage(usage: unknown): JsonObject | null {
  if (!isJsonObject(usage)) return null
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
  const prompt = isJsonObject(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {}
  const completion = isJsonObject(usage['completion_tokens_details']) ? usage['completion_tokens_details'] : {}
  const inputTokens = typeof input === 'number' ? input : 0
  const outputTokens = typeof output === 'number' ? output : 0
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: prompt['cached_tokens'] ?? 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: completion['reasoning_tokens'] ?? 0 },
    total_tokens: typeof total === 'number' ? total : inputTokens + outputTokens,
  }
}

/** What a call is to the client: flat names become what they were offered as. */
export type NameCall = (name: string) => { readonly name: string; readonly namespace?: string; readonly custom?: true }

/** A call of chat completions as an item. */
export function toCallItem(call: JsonObject, nameCall: NameCall, newId: NewId): JsonObject {
  const called = isJsonObject(call['function']) ? call['function'] : {}
  const { name, namespace, custom } = nameCall(textOf(called['name']))
  const sent = called['arguments']
  const input = typeof sent === 'string' ? sent : JSON.stringify(sent ?? {})
  const common = { call_id: textOf(call['id']) || newId('call'), name, status: 'completed' }
  if (custom === true) return { id: newId('ctc'), type: 'custom_tool_call', ...common, input: freeText(input) }
  return {
    id: newId('fc'),
    type: 'function_call',
    ...common,
    ...(namespace !== undefined && { namespace }),
    arguments: input,
  }
}

/** A custom tool takes free text; over chat it is a function of one argument. */
function freeText(input: string): string {
  const written = parseJsonObject(input)
  // A model wrote it: where it is anything else, its client reads what it wrote.
  return written === undefined ? input : textOf(written['input'])
}
