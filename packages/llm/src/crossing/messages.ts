import type { JsonObject, NewId } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import { withFirstBytes } from '../streaming/first-bytes.ts'
import { nameAlone, type Wire } from '../wire.ts'
import { toMessage } from './messages-answer.ts'
import { crossNames, toChatRequest } from './messages-request.ts'
import { toMessageEvents } from './messages-stream.ts'

/** Anthropic's Messages in front of whatever is asked for chat completions: a model, or the tool loop. */
export function crossMessages(chat: Wire, { newId }: { readonly newId: NewId }): Wire {
  const begin = (body: JsonObject, named = textOf(body['model'])) => {
    const names = crossNames(body)
    const head = { id: newId('msg'), type: 'message', role: 'assistant', model: named, stop_sequence: null }
    return { names, message: head, request: toChatRequest(body, names) }
  }
  return {
    async generate(body, signal, passing) {
      const { names, message, request } = begin(body, passing?.model)
      return toMessage(await chat.generate(request, signal, nameAlone(passing)), message, names)
    },
    async stream(body, signal, passing) {
      const { names, message, request } = begin(body, passing?.model)
      const streamed = { ...request, stream: true, stream_options: { include_usage: true } }
      return toMessageEvents(await withFirstBytes(await chat.stream(streamed, signal, nameAlone(passing))), {
        message,
        names,
      })
    },
  }
}
