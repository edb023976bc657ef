import { type GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import {
  crossMessages,
  estimateTokens,
  messagesDialect,
  openMessagesClientStream,
  outcomeReport,
  relayStream,
  type Send,
  streamToolLoop,
  withSignsOfLife,
  toMessageEvent,
} from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readCountedRequest } from '../counted-request.ts'
import { eventStream } from '../event-stream.ts'
import { readJsonObject } from '../json-body.ts'
import { type LlmRequest, looping, type LoopServices, readLlmRequest } from '../llm-loop.ts'
import { answerHeaders } from '../middleware/answer-headers.ts'
import { loopAsChat } from '../loop-as-chat.ts'
import { passingHeaders } from '../passing-headers.ts'
import { readFields } from '../parse-body.ts'
import { renderAnthropicError } from '../render/anthropic.ts'

/**
 * Anthropic's Messages. Relayed to Anthropic as they are, crossed to chat completions for every other model; with gateway
 * tools the tool loop answers, in the model's own dialect or behind the same crossing.
 */
export function messageRoutes(options: LoopServices) {
  const complete = completing(options)
  const count = counting(options)
  return new Hono<AppEnv>()
    .post('/v1/messages', answerHeaders(), complete)
    .post('/v1/messages/count_tokens', answerHeaders(), count)
}

export const messagesBody = z
  .looseObject({ model: z.string().min(1), messages: z.array(z.looseObject({})), stream: z.boolean().nullish() })
  .meta({
    description: 'Anthropic’s request. `tools` may hold MCP entries: {"type": "mcp", "server_url": "litellm_proxy"}.',
  })

/** What Anthropic reads beside the body; its credential is ours. */
const anthropicHeaders =
  /^(?:anthropic-(?:version|beta|dangerous-direct-browser-access)|x-app|x-claude-code-session-id)$/

/** Of the query only the one name that it has: whatever else stands there, a key for instance, is not for the provider. */
function passingOf(context: Context<AppEnv>) {
  const beta = context.req.query('beta')
  const query = beta === undefined ? '' : `?${new URLSearchParams({ beta }).toString()}`
  return { headers: passingHeaders(context, anthropicHeaders), query }
}

function completing(options: LoopServices) {
  const { models } = options
  return async (context: Context<AppEnv>): Promise<Response> => {
    const asked = await readJsonObject(context)
    const { model } = readFields(messagesBody, asked)
    const request = await readLlmRequest(options, context, asked)
    const { caller, body, onServed } = request
    if (request.attached.tools.length > 0) return answerWithTools(options, context, { ...request, model })

    const asking = { dialect: 'messages', body, passing: passingOf(context), onServed } as const
    const report = outcomeReport(request.attached.outcomes, 'messages')
    if (asked['stream'] !== true) return context.json(report.whole(await models.generate(caller, asking)))
    return eventStream(relayStream(report.stream(await models.stream(caller, asking)), toErrorEvent))
  }
}

/** On a model that speaks the dialect the rounds do as well: what it signed and what is cached stay as they are. */
async function answerWithTools(
  options: LoopServices,
  context: Context<AppEnv>,
  request: LlmRequest & { readonly model: string },
): Promise<Response> {
  const { caller, body } = request
  const { newId, clock } = options
  const signs = { dialect: 'messages', clock } as const
  const report = outcomeReport(request.attached.outcomes, 'messages')
  const isStreamed = body['stream'] === true
  if (options.models.speaks(request.model, 'messages')) {
    const how = {
      dialect: messagesDialect,
      wire: 'messages',
      streamed: { stream: true },
      passing: passingOf(context),
    } as const
    const run = looping(options, request, how)
    if (!isStreamed) return context.json((await run({ signal: caller.signal })).response)
    const open = (send: Send) => openMessagesClientStream({ body, send, renderError, newId })
    const bytes = withSignsOfLife(await streamToolLoop({ open, run, signal: caller.signal }), signs)
    return eventStream(report.stream(bytes))
  }
  const crossed = crossMessages(loopAsChat(options, request, renderError), options)
  if (!isStreamed) return context.json(await crossed.generate(body, caller.signal))
  const bytes = withSignsOfLife(await crossed.stream(body, caller.signal), signs)
  return eventStream(relayStream(report.stream(bytes), toErrorEvent))
}

/** Cheap and unlimited, as clients ask for it often: Anthropic's own count, else an estimate. */
function counting(options: LoopServices) {
  return async (context: Context<AppEnv>): Promise<Response> => {
    const asked = await readJsonObject(context)
    readFields(messagesBody, asked)
    const { caller, body } = readCountedRequest(options, context, asked)
    const counted = await options.models.countTokens(caller, { body, passing: passingOf(context) })
    return context.json(counted ?? { input_tokens: estimateTokens(body) })
  }
}

function renderError(error: GatewayError): JsonObject {
  return renderAnthropicError(error).body
}

function toErrorEvent(error: GatewayError): Uint8Array {
  const { error: told } = renderError(error)
  return toMessageEvent('error', { error: isJsonObject(told) ? told : {} })
}
