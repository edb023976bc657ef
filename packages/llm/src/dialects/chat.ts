import { isJsonObject, type JsonObject } from '@toolgate/core'
import { listOf } from '../json-fields.ts'
import {
  appendTurn,
  beginChat,
  clientFunctions,
  relaxToolChoice,
  restoreAppended,
  toSentCall,
  withoutTools,
} from './chat-request.ts'
import { readChatTurn } from './chat-turn.ts'
import type { AnswerParts, Dialect, TurnCall } from './dialect.ts'

/** OpenAI's chat completions. */
export const chatDialect: Dialect = {
  clientFunctions,
  begin: beginChat,
  readTurn: readChatTurn,
  append: appendTurn,
  relaxToolChoice,
  withoutTools,
  answersInOneDocument({ response_format: format }) {
    return isJsonObject(format) && format['type'] !== 'text'
  },
  appendedSince(from, body) {
    return listOf(body['messages']).slice(listOf(from['messages']).length).filter(isJsonObject)
  },
  restore: restoreAppended,
  answer: toAnswer,
}

function toAnswer({ response, turn, text, usage, returned, report }: AnswerParts): JsonObject {
  const { choices } = response
  const choice = Array.isArray(choices) && isJsonObject(choices[0]) ? choices[0] : {}
  const { tool_calls: _calls, function_call: _legacyCall, ...message } = turn.message
  const { provider_specific_fields: fields } = message
  const completed = {
    ...message,
    role: 'assistant',
    content: text === turn.text ? (message['content'] ?? null) : text,
    ...toReturnedCalls(turn.message, returned),
    ...(Object.keys(report).length > 0 && {
      provider_specific_fields: { ...(isJsonObject(fields) && fields), ...report },
    }),
  }
  return {
    ...response,
    choices: [
      { index: 0, ...choice, message: completed, finish_reason: toFinishReason(choice, turn.message, returned) },
    ],
    ...(usage && { usage }),
  }
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
