import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { CrossedTools } from './responses-tools.ts'

/** A Responses request as a chat completion request. What chat completions have no word for is left out. */
export function toChatRequest(body: JsonObject, tools: CrossedTools): JsonObject {
  const { model, instructions, max_output_tokens: maxTokens, reasoning, text, tool_choice: choice } = body
  const format = isJsonObject(text) ? toResponseFormat(text['format']) : undefined
  const effort = isJsonObject(reasoning) ? reasoning['effort'] : undefined
  const system: JsonObject[] = typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : []
  return {
    ...(model !== undefined && { model }),
    messages: [...system, ...toMessages(body['input'], tools)],
    ...(tools.tools.length > 0 && { tools: [...tools.tools] }),
    ...(tools.tools.length > 0 && choice !== undefined && { tool_choice: toChoice(choice, tools) }),
    ...(typeof maxTokens === 'number' && { max_tokens: maxTokens }),
    ...(format !== undefined && { response_format: format }),
    ...(typeof effort === 'string' && { reasoning_effort: effort }),
    ...taken(body, tools.tools.length > 0 ? ['parallel_tool_calls'] : []),
  }
}

const sameInBoth = ['temperature', 'top_p', 'user', 'service_tier']

function taken(body: JsonObject, more: readonly string[]): JsonObject {
  const fields = [...sameInBoth, ...more].flatMap((field) => {
    const value = body[field]
    return value === undefined || value === null ? [] : [[field, value]]
  })
  return Object.fromEntries(fields)
}

function toChoice(choice: JsonValue, { flatName }: CrossedTools): JsonValue {
  if (!isJsonObject(choice)) return choice
  const { type, name, namespace } = choice
  if ((type !== 'function' && type !== 'custom') || typeof name !== 'string') return 'auto'
  return { type: 'function', function: { name: flatName(name, namespace) } }
}

function toResponseFormat(format: JsonValue | undefined): JsonObject | undefined {
  if (!isJsonObject(format) || format['type'] === 'text') return undefined
  const { type, ...described } = format
  return type === 'json_schema' ? { type, json_schema: described } : { type: type ?? 'json_object' }
}

function toMessages(input: JsonValue | undefined, tools: CrossedTools): JsonObject[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }]
  const messages: JsonObject[] = []
  for (const [index, item] of listOf(input).entries()) {
    if (!isJsonObject(item)) continue
    for (const message of toMessage(item, index, tools)) join(messages, message)
  }
  return messages
}

/** Calls of one turn belong into one message, together with what was said before them. */
function join(messages: JsonObject[], message: JsonObject): void {
  const last = messages.at(-1)
  const calls = listOf(message['tool_calls'])
  const known = last?.['tool_calls']
  if (last?.['role'] !== 'assistant' || calls.length === 0) messages.push(message)
  // The list is ours, and grows: copied for each call, it would cost the square of their number.
  else if (Array.isArray(known)) known.push(...calls)
  else messages[messages.length - 1] = { ...last, tool_calls: calls }
}

function toMessage(item: JsonObject, index: number, tools: CrossedTools): JsonObject[] {
  const { role, content, call_id: callId, name, namespace } = item
  const called = (input: JsonValue | undefined): JsonObject => ({
    role: 'assistant',
    content: null,
    tool_calls: [
      {
        id: textOf(callId),
        type: 'function',
        function: { name: tools.flatName(textOf(name), namespace), arguments: textOf(input) || '{}' },
      },
    ],
  })
  const type = textOf(item['type']) || 'message'
  switch (type) {
    case 'message':
      return [{ role: role ?? 'user', content: toContent(content, role, index) }]
    case 'function_call':
      return [called(item['arguments'])]
    case 'custom_tool_call':
      return [called(JSON.stringify({ input: item['input'] ?? '' }))]
    case 'function_call_output':
    case 'custom_tool_call_output':
      return [{ role: 'tool', tool_call_id: textOf(callId), content: toOutput(item['output']) }]
    case 'item_reference':
      throw new GatewayError(
        'INVALID_REQUEST',
        `input[${index}] refers to an item that only its provider has. Send the item.`,
        {
          details: { field: `input[${index}]` },
        },
      )
    // Reasoning, and what other providers ran themselves: no other model can take it.
    default:
      return []
  }
}

function toContent(content: JsonValue | undefined, role: JsonValue | undefined, index: number): JsonValue {
  if (typeof content === 'string') return content
  const parts = listOf(content)
    .filter(isJsonObject)
    .flatMap((part) => toPart(part, index))
  if (parts.every(({ type }) => type === 'text') && role !== 'user')
    return parts.map(({ text }) => textOf(text)).join('')
  return parts
}

function toPart(part: JsonObject, index: number): JsonObject[] {
  const { type, text, refusal, image_url: image, detail, file_data: data, filename, input_audio: audio } = part
  if (type === 'input_text' || type === 'output_text' || type === 'text') return [{ type: 'text', text: text ?? '' }]
  if (type === 'refusal') return [{ type: 'text', text: refusal ?? '' }]
  if (type === 'input_image' && typeof image === 'string') {
    return [{ type: 'image_url', image_url: { url: image, ...(typeof detail === 'string' && { detail }) } }]
  }
  if (type === 'input_file' && typeof data === 'string') {
    return [{ type: 'file', file: { file_data: data, ...(typeof filename === 'string' && { filename }) } }]
  }
  if (type === 'input_audio' && audio !== undefined) return [{ type: 'input_audio', input_audio: audio }]
  throw new GatewayError(
    'INVALID_REQUEST',
    `input[${index}] holds ${JSON.stringify(type ?? null)}, which this model cannot take.`,
    {
      details: { field: `input[${index}]` },
    },
  )
}

function toOutput(output: JsonValue | undefined): string {
  if (typeof output === 'string') return output
  const texts = listOf(output)
    .filter(isJsonObject)
    .map(({ text, type }) => (typeof text === 'string' ? text : `[${textOf(type)}]`))
  return texts.length > 0 ? texts.join('\n') : JSON.stringify(output ?? '')
}
