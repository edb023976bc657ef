import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf } from '../json-fields.ts'
import {
  answersInOneDocument,
  appendTurn,
  beginChat,
  clientFunctions,
  relaxToolChoice,
  restoreAppended,
  toSentCall,
  withoutTools,
} from './chat-request.ts'
import { readChatTurn } from './chat-turn.ts'
import type { AnswerParts, Dialect, PlayedTurn, TurnCall } from './dialect.ts'
import { mergeDelta } from './merge-delta.ts'

/** OpenAI's chat completions. */
export const chatDialect: Dialect = {
  replays: false,
  clientFunctions,
  begin: beginChat,
  readTurn: readChatTurn,
  append: appendTurn,
  relaxToolChoice,
  withoutTools,
  appendedSince(from, body) {
    return listOf(body['messages']).slice(listOf(from['messages']).length).filter(isJsonObject)
  },
  restore: restoreAppended,
  answer: toAnswer,
}

function toAnswer({ response, turns, request, usage, returned, report }: AnswerParts): JsonObject {
  const { choices } = response
  const choice = Array.isArray(choices) && isJsonObject(choices[0]) ? choices[0] : {}
  const last = turns.at(-1)?.turn.message ?? {}
  const { provider_specific_fields: fields, ...said } = joinTurns(turns)
  const completed = {
    ...said,
    role: 'assistant',
    ...(answersInOneDocument(request) && { content: returned.length > 0 ? emptied(last) : (last['content'] ?? null) }),
    ...toReturnedCalls(last, returned),
    ...(Object.keys(report).length > 0 && {
      provider_specific_fields: { ...(isJsonObject(fields) && fields), ...report },
    }),
  }
  return {
    ...response,
    model: request['model'] ?? response['model'] ?? '',
    choices: [{ index: 0, ...choice, message: completed, finish_reason: toFinishReason(choice, last, returned) }],
    ...(usage && { usage }),
  }
}

function emptied({ content }: JsonObject): JsonValue {
  return typeof content === 'string' ? '' : (content ?? null)
}

/** Everything the model said, in order: text as paragraphs, fields we do not know one behind the other. */
function joinTurns(turns: readonly PlayedTurn[]): JsonObject {
  const texts = turns.map(({ turn }) => turn.text).filter((text) => text !== '')
  const said = turns.reduce<JsonObject>((joined, { turn }) => mergeDelta(joined, withoutCalls(turn.message)), {})
  const last = turns.at(-1)?.turn
  return {
    ...said,
    content: texts.length > 1 || last?.text === '' ? joinedText(texts) : (last?.message['content'] ?? null),
  }
}

function joinedText(texts: readonly string[]): string | null {
  return texts.length === 0 ? null : texts.join('\n\n')
}

function withoutCalls({ tool_calls: _calls, function_call: _legacyCall, content: _content, ...said }: JsonObject) {
  return said
}

/** A client that offered legacy `functions` reads only `function_call`. */
function toReturnedCalls(
  { tool_calls: calls, function_call: legacy }: JsonObject,
  returned: readonly TurnCall[],
): JsonObject {
  if (returned.length === 0) return {}
  if (listOf(calls).length === 0 && isJsonObject(legacy)) return { function_call: legacy }
  return { tool_calls: returned.map(toReturnedCall) }
}

/** What the model wrote is the client's to judge, also where it is no JSON. */
function toReturnedCall(call: TurnCall): JsonObject {
  const sent = isJsonObject(call.raw['function']) ? call.raw['function'] : undefined
  if (sent === undefined || call.arguments.ok || typeof sent['arguments'] !== 'string') return toSentCall(call)
  return { ...call.raw, id: call.id, type: 'function' }
}

const reasonsOfTheProvider = new Set(['length', 'content_filter'])

function toFinishReason(
  { finish_reason: reason }: JsonObject,
  message: JsonObject,
  returned: readonly TurnCall[],
): string {
  if (returned.length > 0) return 'function_call' in toReturnedCalls(message, returned) ? 'function_call' : 'tool_calls'
  return typeof reason === 'string' && reasonsOfTheProvider.has(reason) ? reason : 'stop'
}
