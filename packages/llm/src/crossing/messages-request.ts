import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { type CrossedNames, nameCrossing } from './crossed-names.ts'

/** Tool names of Anthropic's clients are longer than other providers take them. */
export function crossNames(body: JsonObject): CrossedNames {
  return nameCrossing(clientTools(body).map(({ name }) => textOf(name)))
}

/** Claude Code's stand-in for tools that it has not sent yet. */
const placeholder = 'DeferredToolPlaceholder'

/** What the client runs itself, deferred tools included: other models have no tool search, and no tools of Anthropic's. */
function clientTools({ tools }: JsonObject): JsonObject[] {
  return listOf(tools)
    .filter(isJsonObject)
    .filter(({ type = 'custom', name }) => type === 'custom' && typeof name === 'string' && name !== placeholder)
}

/** An Anthropic request as a chat completion request. What chat completions have no word for is left out. */
export function toChatRequest(body: JsonObject, names: CrossedNames): JsonObject {
  refuseThread(body)
  const { model, system, messages, max_tokens: maxTokens, stop_sequences: stop, tool_choice: choice } = body
  const { temperature, top_p: topP, top_k: topK, output_format: format } = body
  const tools = clientTools(body).map((tool) => toFunctionTool(tool, names))
  const instructions = toText(system)
  return {
    ...(model !== undefined && { model }),
    messages: [
      ...(instructions === '' ? [] : [{ role: 'system', content: instructions }]),
      ...listOf(messages)
        .filter(isJsonObject)
        .flatMap((message, index) => toMessages(message, index, names)),
    ],
    ...(tools.length > 0 && { tools, ...toChoice(choice, names) }),
    ...(typeof maxTokens === 'number' && { max_tokens: maxTokens }),
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof topP === 'number' && { top_p: topP }),
    ...(typeof topK === 'number' && { top_k: topK }),
    ...(listOf(stop).length > 0 && { stop: listOf(stop) }),
    ...(isJsonObject(format) && { response_format: toResponseFormat(format) }),
  }
}

/**
 * A thread is kept by Anthropic alone. One that begins is a conversation like any other; one that goes on is sent without
 * what was before, and its client sends all of it again when it is told that nobody knows it.
 */
function refuseThread({ thread }: JsonObject): void {
  if (!isJsonObject(thread) || thread['type'] !== 'continue') return
  throw new GatewayError('INVALID_REQUEST', 'This model keeps no message threads: send the whole conversation.', {
    details: { field: 'thread', errorCode: 'thread_not_found' },
  })
}

function toResponseFormat({ schema }: JsonObject): JsonObject {
  return { type: 'json_schema', json_schema: { name: 'answer', ...(isJsonObject(schema) && { schema }) } }
}

function toFunctionTool({ name, description, input_schema: parameters }: JsonObject, names: CrossedNames): JsonObject {
  return {
    type: 'function',
    function: {
      name: names.toFunction(textOf(name)),
      ...(typeof description === 'string' && { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  }
}

const choices: ReadonlyMap<string, string> = new Map([
  ['auto', 'auto'],
  ['any', 'required'],
  ['none', 'none'],
])

function toChoice(choice: JsonValue | undefined, names: CrossedNames): JsonObject {
  if (!isJsonObject(choice)) return {}
  const { type, name, disable_parallel_tool_use: oneByOne } = choice
  const chosen =
    type === 'tool'
      ? { type: 'function', function: { name: names.toFunction(textOf(name)) } }
      : choices.get(textOf(type))
  return {
    ...(chosen !== undefined && { tool_choice: chosen }),
    ...(oneByOne === true && { parallel_tool_calls: false }),
  }
}

function toMessages({ role, content }: JsonObject, index: number, names: CrossedNames): JsonObject[] {
  if (typeof content === 'string') return [{ role: role ?? 'user', content }]
  const blocks = listOf(content).filter(isJsonObject)
  if (role === 'assistant') return toAssistant(blocks, names)
  if (role === 'system') return [{ role: 'system', content: toText(content) }]
  const results = blocks.filter(({ type }) => type === 'tool_result').map(toToolMessage)
  const said = blocks.filter(({ type }) => type !== 'tool_result').flatMap((block) => toPart(block, index))
  return said.length === 0 ? results : [...results, { role: 'user', content: said }]
}

/** Thinking is signed for Anthropic alone; it and what Anthropic ran itself are left out. */
function toAssistant(blocks: readonly JsonObject[], names: CrossedNames): JsonObject[] {
  const text = toText([...blocks])
  const calls = blocks
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input }) => ({
      id: textOf(id),
      type: 'function',
      function: { name: names.toFunction(textOf(name)), arguments: JSON.stringify(input ?? {}) },
    }))
  if (text === '' && calls.length === 0) return []
  return [{ role: 'assistant', content: text === '' ? null : text, ...(calls.length > 0 && { tool_calls: calls }) }]
}

function toToolMessage({ tool_use_id: id, content, is_error: failed }: JsonObject): JsonObject {
  const text = typeof content === 'string' ? content : listOf(content).filter(isJsonObject).map(toResultText).join('\n')
  return { role: 'tool', tool_call_id: textOf(id), content: failed === true ? `Error: ${text}` : text }
}

function toResultText({ type, text, tool_name: tool }: JsonObject): string {
  if (type === 'text') return textOf(text)
  return type === 'tool_reference' ? `The tool ${textOf(tool)} can be called now.` : `[${textOf(type)}]`
}

/** Text of a system prompt or of blocks, without what is no text. */
function toText(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content
  return listOf(content)
    .filter(isJsonObject)
    .filter(({ type }) => type === 'text')
    .map(({ text }) => textOf(text))
    .join('\n')
}

function toPart(block: JsonObject, index: number): JsonObject[] {
  const { type, text, source } = block
  if (type === 'text') return [{ type: 'text', text: text ?? '' }]
  const from = isJsonObject(source) ? source : {}
  const inline = `data:${textOf(from['media_type'])};base64,${textOf(from['data'])}`
  if (type === 'image') {
    return [{ type: 'image_url', image_url: { url: from['type'] === 'url' ? textOf(from['url']) : inline } }]
  }
  if (type === 'document' && from['type'] === 'text') return [{ type: 'text', text: textOf(from['data']) }]
  if (type === 'document' && from['type'] === 'base64') return [{ type: 'file', file: { file_data: inline } }]
  throw new GatewayError(
    'INVALID_REQUEST',
    `messages[${index}] holds ${JSON.stringify(type ?? null)}, which this model cannot take.`,
    {
      details: { field: `messages[${index}]` },
    },
  )
}
