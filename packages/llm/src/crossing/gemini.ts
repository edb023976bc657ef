import { isJsonObject, type JsonObject, type NewId } from '@toolgate/core'
import { assembleChat } from '../dialects/chat-assembly.ts'
import { readChatChunks } from '../dialects/chat-chunks.ts'
import { listOf, textOf } from '../json-fields.ts'
import { toEvent } from '../providers/chat-events.ts'
import { withFirstBytes } from '../streaming/first-bytes.ts'
import { nameAlone, type Wire } from '../wire.ts'
import { type GeminiHead, toCallPart, toGeminiAnswer, toResponse, toTextParts } from './gemini-answer.ts'
import { crossGeminiNames, toChatRequest } from './gemini-request.ts'

/** Gemini's dialect in front of whatever is asked for chat completions: a model, or the tool loop. */
export function crossGemini(chat: Wire, { newId }: { readonly newId: NewId }): Wire {
  const begin = (body: JsonObject, named = textOf(body['model'])) => {
    const names = crossGeminiNames(body)
    const head: GeminiHead = {
      responseId: newId('resp'),
      modelVersion: named,
      names,
      includeThoughts: wantsThoughts(body),
    }
    return { head, request: toChatRequest(body, names) }
  }
  return {
    async generate(body, signal, passing) {
      const { head, request } = begin(body, passing?.model)
      return toGeminiAnswer(await chat.generate(request, signal, nameAlone(passing)), head)
    },
    async stream(body, signal, passing) {
      const { head, request } = begin(body, passing?.model)
      const streamed = { ...request, stream: true, stream_options: { include_usage: true } }
      return toGeminiEvents(await withFirstBytes(await chat.stream(streamed, signal, nameAlone(passing))), head)
    },
  }
}

function wantsThoughts({ generationConfig: config }: JsonObject): boolean {
  const thinking = isJsonObject(config) ? config['thinkingConfig'] : undefined
  return isJsonObject(thinking) && thinking['includeThoughts'] === true
}

/** Text as it comes; calls are whole in Gemini, and come with the end. */
async function* toGeminiEvents(bytes: AsyncIterable<Uint8Array>, head: GeminiHead): AsyncGenerator<Uint8Array> {
  const assembly = assembleChat()
  for await (const chunk of readChatChunks(bytes)) {
    assembly.add(chunk)
    const [choice] = listOf(chunk['choices'])
    const delta = isJsonObject(choice) && isJsonObject(choice['delta']) ? choice['delta'] : {}
    const parts = toTextParts(delta, head)
    if (parts.length > 0) yield toEvent(toResponse(parts, head))
  }
  const whole = assembly.response()
  const [choice] = listOf(whole['choices'])
  const { message, finish_reason: finish } = isJsonObject(choice) ? choice : {}
  const said = isJsonObject(message) ? message : {}
  const calls = listOf(said['tool_calls']).filter(isJsonObject)
  const parts = calls.map((call) => toCallPart(call, head))
  yield toEvent(toResponse(parts.length > 0 ? parts : [{ text: '' }], head, { said, finish, usage: whole['usage'] }))
}
