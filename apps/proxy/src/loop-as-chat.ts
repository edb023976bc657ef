import type { GatewayError, JsonObject } from '@toolgate/core'
import { chatDialect, openChatClientStream, type Send, streamToolLoop, type Wire } from '@toolgate/llm'
import { type LlmRequest, looping, type LoopServices } from './llm-loop.ts'

/** The tool loop as something that is asked for chat completions: for doors whose dialect is crossed in front of it. */
export function loopAsChat(
  options: LoopServices,
  request: LlmRequest,
  renderError: (error: GatewayError) => JsonObject,
): Wire {
  const { clock, newId } = options
  const streamed = { stream: true, stream_options: { include_usage: true } }
  const loopOver = (body: JsonObject) =>
    looping(options, { ...request, body }, { dialect: chatDialect, wire: 'chat', streamed })
  return {
    generate: async (body, signal) => (await loopOver(body)({ signal })).response,
    stream(body, signal) {
      const open = (send: Send) => openChatClientStream({ body, send, renderError, clock, newId })
      return streamToolLoop({ open, run: loopOver(body), signal })
    },
  }
}
