import { type GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import {
  chatDialect,
  openChatClientStream,
  relayStream,
  type Send,
  streamToolLoop,
  streamWithOutcomes,
  toEvent,
  withOutcomes,
  withoutProgressOption,
  withoutReports,
  withSignsOfLife,
} from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { eventStream } from '../event-stream.ts'
import { readJsonObject } from '../json-body.ts'
import { looping, type LoopServices, readLlmRequest } from '../llm-loop.ts'
import { answerHeaders } from '../middleware/answer-headers.ts'
import { readFields } from '../parse-body.ts'
import { renderOpenAiError } from '../render/openai.ts'

/**
 * The chat door. Without gateway tools a request is relayed to its model as it is; with them the tool loop answers. The
 * door decides nothing: which tools are asked for, whether a call needs approval and when to stop is the loop's, and
 * every tool call takes the same spine as at any other door.
 */
export function chatRoutes(options: LoopServices) {
  const complete = completing(options)
  return new Hono<AppEnv>()
    .post('/v1/chat/completions', answerHeaders(), complete)
    .post('/chat/completions', answerHeaders(), complete)
}

/** What this door itself needs of a request; the rest is its provider's to judge. */
export const chatBody = z
  .looseObject({ model: z.string().min(1), messages: z.array(z.looseObject({})), stream: z.boolean().nullish() })
  .meta({
    description: 'OpenAI’s request. `tools` may hold MCP entries: {"type": "mcp", "server_url": "litellm_proxy"}.',
  })

function completing(options: LoopServices) {
  const { models, clock, newId } = options
  return async (context: Context<AppEnv>): Promise<Response> => {
    const asked = withoutReports(await readJsonObject(context))
    readFields(chatBody, asked)
    const request = await readLlmRequest(options, context, asked)
    const { caller, body, attached, onServed } = request
    const streamed = asked['stream'] === true
    if (attached.tools.length === 0) {
      const asking = { body: withoutProgressOption(body), onServed }
      if (!streamed) return context.json(withOutcomes(await models.generate(caller, asking), attached.outcomes))
      const bytes = streamWithOutcomes(await models.stream(caller, asking), attached.outcomes)
      return eventStream(relayStream(bytes, (error) => toEvent(renderError(error))))
    }

    const loop = looping(options, request, { dialect: chatDialect, wire: 'chat', streamed: countedStream(body) })
    if (!streamed) return context.json((await loop({ signal: caller.signal })).response)
    const open = (send: Send) => openChatClientStream({ body, send, renderError, clock, newId })
    const bytes = await streamToolLoop({ open, run: loop, signal: caller.signal })
    return eventStream(withSignsOfLife(bytes, { dialect: 'chat', clock }))
  }
}

/** Tokens are counted whether the client wants to see them or not. */
function countedStream(body: JsonObject): JsonObject {
  const { stream_options: options } = withoutProgressOption(body)
  return { stream: true, stream_options: { ...(isJsonObject(options) && options), include_usage: true } }
}

function renderError(error: GatewayError): JsonObject {
  return renderOpenAiError(error).body
}
