import { GatewayError, isJsonObject, type JsonObject, type JsonValue, type NewId } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { parseArguments } from './call-arguments.ts'
import { idOfItsOwn } from './call-ids.ts'
import type { Turn, TurnCall } from './dialect.ts'

/**
 * Reads the assistant message out of a chat completion. Goes by what is in the message, never by `finish_reason`:
 * providers send tool calls under every reason there is.
 */
export function readChatTurn(response: JsonObject, newId: NewId): Turn {
  const message = firstMessage(response)
  const { usage } = response
  return {
    text: toText(message['content']),
    calls: readCalls(message, newId),
    usage: isJsonObject(usage) ? usage : undefined,
    message,
  }
}

function firstMessage({ choices }: JsonObject): JsonObject {
  const [choice] = listOf(choices)
  const message = isJsonObject(choice) ? choice['message'] : undefined
  if (isJsonObject(message)) return message
  throw new GatewayError('PROVIDER_PROTOCOL', 'The model answered without a message. Try again or use another model.')
}

/** Content is a string, null, or a list of parts of which some are text. */
export function toText(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part) => {
      if (typeof part === 'string') return part
      if (!isJsonObject(part) || part['type'] !== 'text') return ''
      return textOf(part['text'])
    })
    .join('')
}

function readCalls({ tool_calls: calls, function_call: legacyCall }: JsonObject, newId: NewId): TurnCall[] {
  const listed = listOf(calls).filter(isJsonObject)
  const sent = listed.length > 0 || !isJsonObject(legacyCall) ? listed : [{ function: legacyCall }]
  const taken = new Set<string>()
  return sent.flatMap((raw) => {
    const call = readCall(raw, taken, newId)
    return call === undefined ? [] : [call]
  })
}

function readCall(raw: JsonObject, taken: Set<string>, newId: NewId): TurnCall | undefined {
  // A custom tool (`type: "custom"`) carries free text where a function carries arguments; it is always the client's.
  const called = isJsonObject(raw['function']) ? raw['function'] : raw['custom']
  if (!isJsonObject(called) || typeof called['name'] !== 'string') return undefined
  return {
    id: idOfItsOwn(raw['id'], taken, () => newId('call')),
    name: called['name'],
    arguments: parseArguments(called['arguments']),
    raw,
  }
}
