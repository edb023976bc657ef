import { isJsonObject, type JsonObject } from '@toolgate/core'
import {
  beginResponse,
  finishedAs,
  type NameCall,
  toCallItem,
  toMessageItem,
  toReasoningItem,
  toResponseUsage,
} from '../dialects/response-events.ts'
import { toText } from '../dialects/chat-turn.ts'
import { listOf, textOf } from '../json-fields.ts'
import { withFirstBytes } from '../streaming/first-bytes.ts'
import { nameAlone, type Wire } from '../wire.ts'
import { toChatRequest } from './responses-request.ts'
import { toResponseEvents } from './responses-stream.ts'
import { crossTools } from './responses-tools.ts'
import type { CrossingSeams } from './wire-of.ts'

/** OpenAI's Responses in front of a model that is asked for chat completions. */
export function crossResponses(chat: Wire, { clock, newId }: CrossingSeams): Wire {
  const begin = (body: JsonObject, named = textOf(body['model'])) => {
    const tools = crossTools(body['tools'])
    const head = { id: newId('resp'), createdAt: Math.floor(clock.now() / 1_000), model: named }
    return { tools, response: beginResponse(body, head), request: toChatRequest(body, tools) }
  }
  return {
    async generate(body, signal, passing) {
      const { tools, response, request } = begin(body, passing?.model)
      return toResponse(await chat.generate(request, signal, nameAlone(passing)), {
        response,
        nameCall: tools.nameCall,
        newId,
      })
    },
    async stream(body, signal, passing) {
      const { tools, response, request } = begin(body, passing?.model)
      const streamed = { ...request, stream: true, stream_options: { include_usage: true } }
      return toResponseEvents(await withFirstBytes(await chat.stream(streamed, signal, nameAlone(passing))), {
        response,
        nameCall: tools.nameCall,
        newId,
      })
    },
  }
}

interface Answering {
  readonly response: JsonObject
  readonly nameCall: NameCall
  readonly newId: CrossingSeams['newId']
}

function toResponse(completion: JsonObject, { response, nameCall, newId }: Answering): JsonObject {
  const choice = listOf(completion['choices']).find(isJsonObject) ?? {}
  const message = isJsonObject(choice['message']) ? choice['message'] : {}
  const text = toText(message['content'])
  const thought = textOf(message['reasoning_content']) || textOf(message['reasoning'])
  const calls = listOf(message['tool_calls']).filter(isJsonObject)
  return {
    ...response,
    ...finishedAs(choice['finish_reason']),
    output: [
      ...(thought === '' ? [] : [toReasoningItem(newId('rs'), thought)]),
      ...(text === '' ? [] : [toMessageItem(newId('msg'), text)]),
      ...calls.map((call) => toCallItem(call, nameCall, newId)),
    ],
    usage: toResponseUsage(completion['usage']),
  }
}
