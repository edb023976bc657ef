import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import {
  outcomeReport,
  openResponsesClientStream,
  relayResponses,
  responsesDialect,
  type Send,
  type StoredResponses,
  streamToolLoop,
  watchEvents,
  withSignsOfLife,
} from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { eventStream } from '../event-stream.ts'
import { readJsonObject } from '../json-body.ts'
import { type LlmRequest, looping, type LoopServices, readLlmRequest } from '../llm-loop.ts'
import { answerHeaders } from '../middleware/answer-headers.ts'
import { passingHeaders } from '../passing-headers.ts'
import { readFields } from '../parse-body.ts'
import { renderOpenAiError } from '../render/openai.ts'

/**
 * OpenAI's Responses. Relayed where the model's provider has them and no gateway tool is attached, crossed to chat
 * completions where it has not; with gateway tools the tool loop answers, as one response.
 */
export interface ResponsesOptions extends LoopServices {
  readonly storedResponses: StoredResponses
}

export function responseRoutes(options: ResponsesOptions) {
  const respond = responding(options)
  const { storedResponses } = options
  return new Hono<AppEnv>()
    .post('/v1/responses', answerHeaders(), respond)
    .post('/responses', answerHeaders(), respond)
    .get('/v1/responses', refuseWebSocket)
    .get('/responses', refuseWebSocket)
    .get('/v1/responses/:id', async (context) => {
      const id = context.req.param('id')
      const found = await storedResponses.find(context.var.caller.principal.id, id)
      if (found === undefined) throw unknownResponse(id)
      return context.json(found)
    })
    .delete('/v1/responses/:id', async (context) => {
      const id = context.req.param('id')
      if (!(await storedResponses.remove(context.var.caller.principal.id, id))) throw unknownResponse(id)
      return context.json({ id, object: 'response.deleted', deleted: true })
    })
}

export const responsesBody = z.looseObject({ model: z.string().min(1), stream: z.boolean().nullish() }).meta({
  description: 'OpenAI’s request. `tools` may hold MCP entries: {"type": "mcp", "server_url": "litellm_proxy"}.',
})

/** Codex asks for a WebSocket first, and falls back at once where it is told that this is HTTP. */
function refuseWebSocket(context: Context<AppEnv>): Response {
  const message = 'Responses are asked for with POST; there is no WebSocket here.'
  const error = { message, type: 'invalid_request_error', param: null, code: '426' }
  return context.json({ error }, 426, { upgrade: 'HTTP/1.1' })
}

function responding(options: ResponsesOptions) {
  const { models, storedResponses } = options
  return async (context: Context<AppEnv>): Promise<Response> => {
    const owner = context.var.caller.principal.id
    const asked = await readJsonObject(context)
    const { model } = readFields(responsesBody, asked)
    const native = models.speaks(model, 'responses')
    const read = await readLlmRequest(options, context, asked)
    const request = { ...read, body: await storedResponses.continued(owner, read.body, native) }
    const { caller, body, attached, onServed } = request
    const save = keeping(storedResponses, { owner, asked, body })
    const passing = { headers: passingHeaders(context, openAiHeaders), query: '' }
    const streamed = asked['stream'] === true
    if (attached.tools.length > 0) return answerWithTools(options, context, { request, streamed, save })

    const asking = { dialect: 'responses', body, passing, onServed } as const
    const report = outcomeReport(attached.outcomes, 'responses')
    if (!streamed) {
      const response = await models.generate(caller, asking)
      if (!native) await save(response)
      return context.json(report.whole(response))
    }
    const bytes = await models.stream(caller, asking)
    return eventStream(relayResponses(report.stream(native ? bytes : keepingResponse(bytes, save)), toErrorFields))
  }
}

/** What OpenAI reads beside the body. */
const openAiHeaders = /^(?:openai-|x-codex-|session-id$|thread-id$|originator$|x-client-request-id$)/

type Save = (response: JsonObject) => Promise<void>

interface Kept {
  readonly owner: string
  readonly asked: JsonObject
  readonly body: JsonObject
}

function keeping(stored: StoredResponses, { owner, asked, body }: Kept): Save {
  return async (response) => {
    if (asked['store'] !== false) await stored.save(owner, body, response)
  }
}

/** Ours to continue, as no provider knows it. */
function keepingResponse(bytes: AsyncIterable<Uint8Array>, save: Save): AsyncIterable<Uint8Array> {
  return watchEvents(bytes, '"response.completed"', async ({ type, response }) => {
    if (type === 'response.completed' && isJsonObject(response)) await save(response)
  })
}

interface WithTools {
  readonly request: LlmRequest
  readonly streamed: boolean
  readonly save: Save
}

async function answerWithTools(
  options: ResponsesOptions,
  context: Context<AppEnv>,
  { request, streamed, save }: WithTools,
): Promise<Response> {
  const { caller, body, attached } = request
  const { clock, newId } = options
  const report = outcomeReport(attached.outcomes, 'responses')
  const loop = looping(options, request, { dialect: responsesDialect, wire: 'responses', streamed: { stream: true } })
  if (!streamed) {
    const { response } = await loop({ signal: caller.signal })
    const own = { ...response, id: newId('resp'), model: body['model'] ?? '' }
    await save(own)
    return context.json(report.whole(own))
  }
  const open = (send: Send) =>
    openResponsesClientStream({ body, ...attached, send, renderError, clock, newId, onResponse: save })
  const bytes = await streamToolLoop({ open, run: loop, signal: caller.signal })
  return eventStream(report.stream(withSignsOfLife(bytes, { dialect: 'responses', clock })))
}

function renderError(error: GatewayError): JsonObject {
  return renderOpenAiError(error).body
}

function toErrorFields(error: GatewayError): JsonObject {
  const told = renderError(error)['error']
  const { message, code, param } = isJsonObject(told) ? told : {}
  return { code: code ?? null, message: message ?? error.message, param: param ?? null }
}

function unknownResponse(id: string): GatewayError {
  return new GatewayError('RECORD_NOT_FOUND', `Response with id '${id}' not found.`)
}
