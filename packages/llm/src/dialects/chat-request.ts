import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf } from '../json-fields.ts'
import type { LoopTool } from '../loop-tool.ts'
import { toFunctionTool } from '../tool-mapping.ts'
import type { FindAppended, ToolOutcome, Turn, TurnCall } from './dialect.ts'

/** Edits of a chat completion request. The order of messages and tools never changes: prompt caches depend on it. */

export function clientFunctions({ tools, functions }: JsonObject): ReadonlySet<string> {
  const called = listOf(tools).flatMap((tool) => {
    if (!isJsonObject(tool)) return []
    return [tool, tool['function'], tool['custom']]
  })
  const names = [...called, ...listOf(functions)].map((one) => (isJsonObject(one) ? one['name'] : undefined))
  return new Set(names.filter((name) => typeof name === 'string'))
}

export function beginChat(body: JsonObject, tools: readonly LoopTool[]): JsonObject {
  const { stream: _stream, stream_options: _streamOptions, ...request } = body
  const { n, tool_choice: choice } = request
  if (tools.length > 0 && typeof n === 'number' && n > 1) {
    throw new GatewayError('INVALID_REQUEST', '"n" must be 1 when MCP tools are attached: one answer runs the tools.', {
      details: { field: 'n' },
    })
  }
  const offered = tools.map(({ functionName, definition }) => toFunctionTool({ functionName, ...definition }))
  return {
    ...request,
    ...(offered.length > 0 && { tools: [...listOf(request['tools']), ...offered] }),
    ...(choice !== undefined && { tool_choice: toFunctionChoice(choice, tools) }),
  }
}

/** A forced choice names a tool as the gateway does; the provider knows it by its function name. */
function toFunctionChoice(choice: JsonValue, tools: readonly LoopTool[]): JsonValue {
  if (!isJsonObject(choice) || !isJsonObject(choice['function'])) return choice
  const { name } = choice['function']
  const chosen = tools.find(({ publicName }) => publicName === name)
  if (chosen === undefined) return choice
  return { ...choice, function: { ...choice['function'], name: chosen.functionName } }
}

/** Intermediate text would spoil an answer that must be one JSON document. */
export function answersInOneDocument({ response_format: format }: JsonObject): boolean {
  return isJsonObject(format) && format['type'] !== 'text'
}

export function relaxToolChoice(body: JsonObject): JsonObject {
  const { tool_choice: choice, function_call: legacyChoice } = body
  const forced = choice !== undefined && choice !== 'none' && choice !== 'auto'
  const legacyForced = isJsonObject(legacyChoice)
  return {
    ...body,
    ...(forced && { tool_choice: 'auto' }),
    ...(legacyForced && { function_call: 'auto' }),
  }
}

export function withoutTools(body: JsonObject): JsonObject {
  const {
    tools: _tools,
    tool_choice: _choice,
    parallel_tool_calls: _parallel,
    functions: _functions,
    function_call: _functionCall,
    ...rest
  } = body
  return rest
}

export function appendTurn(body: JsonObject, turn: Turn, results: readonly ToolOutcome[]): JsonObject {
  const messages: JsonObject[] = [
    toAssistantMessage(turn),
    ...results.map(({ call, text }) => ({ role: 'tool', tool_call_id: call.id, content: text })),
  ]
  return { ...body, messages: [...listOf(body['messages']), ...messages] }
}

function toAssistantMessage({ message, text, calls }: Turn): JsonObject {
  const { function_call: _legacy, ...rest } = message
  return {
    ...rest,
    role: 'assistant',
    // OpenAI takes no empty string here; some servers take no missing field.
    content: text === '' ? null : (rest['content'] ?? null),
    tool_calls: calls.map(toSentCall),
  }
}

/**
 * A call as providers accept it back. Text that is no JSON object becomes `{}`: several servers parse it again and would
 * fail the whole request; the model reads what was wrong in the call's result.
 */
export function toSentCall(call: TurnCall): JsonObject {
  const { raw, id, name } = call
  if (!isJsonObject(raw['function'])) return { ...raw, id }
  const sent = raw['function']['arguments']
  const parsed = call.arguments.ok ? call.arguments.value : {}
  const asText = call.arguments.ok && typeof sent === 'string' && sent.trimStart().startsWith('{')
  return {
    ...raw,
    id,
    type: 'function',
    function: { ...raw['function'], name, arguments: asText ? sent : JSON.stringify(parsed) },
  }
}

/**
 * The client continues with an assistant message that holds only its own calls. In its place goes everything the loop had
 * appended when it returned them: the earlier rounds, the turn with all its calls, and the gateway's results. Each record
 * goes in once, however often its calls are named: a short request must not become a long one.
 */
export async function restoreAppended(body: JsonObject, find: FindAppended): Promise<JsonObject> {
  const sent = listOf(body['messages'])
  const callIds = sent.flatMap(callIdsOf)
  if (callIds.length === 0) return body
  const records = await find(callIds)
  const messages: JsonValue[] = []
  const restored = new Set<string>()
  for (const message of sent) {
    const ids = callIdsOf(message)
    const appended = ids.some((id) => restored.has(id)) ? undefined : firstOf(ids, records)
    for (const callId of (appended ?? []).flatMap(callIdsOf)) restored.add(callId)
    messages.push(...(appended ?? [message]))
  }
  return { ...body, messages }
}

function firstOf<Value>(ids: readonly string[], values: ReadonlyMap<string, Value>): Value | undefined {
  const found = ids.find((id) => values.has(id))
  return found === undefined ? undefined : values.get(found)
}

function callIdsOf(message: JsonValue): readonly string[] {
  if (!isJsonObject(message) || message['role'] !== 'assistant') return []
  return listOf(message['tool_calls']).flatMap((call) =>
    isJsonObject(call) && typeof call['id'] === 'string' ? [call['id']] : [],
  )
}
