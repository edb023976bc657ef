import { GatewayError, type JsonObject } from '@toolgate/core'
import {
  crossGemini,
  estimateTokens,
  geminiDialect,
  openGeminiClientStream,
  outcomeReport,
  type Passing,
  relayStream,
  type Send,
  streamToolLoop,
  toEvent,
  toJsonArray,
  withMcpEntries,
  withSignsOfLife,
} from '@toolgate/llm'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readCountedRequest } from '../counted-request.ts'
import { eventStream, toReadable } from '../event-stream.ts'
import { readJsonObject } from '../json-body.ts'
import { type LlmRequest, looping, type LoopServices, readLlmRequest } from '../llm-loop.ts'
import { loopAsChat } from '../loop-as-chat.ts'
import { answerHeaders } from '../middleware/answer-headers.ts'
import { readFields } from '../parse-body.ts'
import { passingHeaders } from '../passing-headers.ts'
import { renderGeminiError } from '../render/gemini.ts'

/**
 * Gemini's dialect. Relayed to Gemini as it is, crossed to chat completions for every other model; with gateway tools the tool
 * loop answers, in the model's own dialect or behind the same crossing. The model and what is wanted of it stand in the path.
 */
export function geminiRoutes(options: LoopServices) {
  const answer = answering(options)
  return new Hono<AppEnv>()
    .get('/v1beta/models', (context) => context.json({ models: listed(options, context) }))
    .post('/v1beta/models/:target{.+}', answerHeaders(), answer)
    .post('/v1/models/:target{.+}', answerHeaders(), answer)
}

export const geminiBody = z.looseObject({ contents: z.unknown().optional() }).meta({
  description:
    'Google’s request. `tools` may hold MCP entries: {"type": "mcp", "server_url": "litellm_proxy"}, or `mcpServers` with that address.',
})

function listed({ models }: LoopServices, context: Context<AppEnv>): JsonObject[] {
  return models.list(context.var.caller.principal).map((name) => ({
    name: `models/${name}`,
    displayName: name,
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
  }))
}

/** What Google reads beside the body; its key is ours, and so is the client's query that may hold one. */
const googleHeaders = /^x-goog-(?:api-client|user-project|request-params)$/

function answering(options: LoopServices) {
  return async (context: Context<AppEnv>): Promise<Response> => {
    const { model, action } = readTarget(context.req.param('target') ?? '')
    if (!actions.has(action)) throw unknownAction(action)
    const asked = { ...(await readJsonObject(context)), model }
    readFields(geminiBody, asked)
    if (action === 'countTokens') return context.json(await countTokens(options, context, asked))
    const request = { ...(await readLlmRequest(options, context, withMcpEntries(asked))), model }
    return action === 'generateContent' ? whole(options, context, request) : streamed(options, context, request)
  }
}

const actions: ReadonlySet<string> = new Set(['generateContent', 'streamGenerateContent', 'countTokens'])

function readTarget(target: string): { model: string; action: string } {
  const colon = target.lastIndexOf(':')
  if (colon <= 0) throw unknownAction(target)
  return { model: target.slice(0, colon), action: target.slice(colon + 1) }
}

function unknownAction(action: string): GatewayError {
  return new GatewayError(
    'ROUTE_NOT_FOUND',
    `"${action.slice(0, 100)}" is not possible here: a path ends in {model}:generateContent, :streamGenerateContent or :countTokens.`,
  )
}

interface GeminiRequest extends LlmRequest {
  readonly model: string
}

function wireOf(options: LoopServices, context: Context<AppEnv>, request: GeminiRequest) {
  const { models, clock } = options
  const { caller, body, attached, onServed } = request
  const passing = { headers: passingHeaders(context, googleHeaders), query: '' }
  if (attached.tools.length > 0) {
    const loop = models.speaks(request.model, 'gemini')
      ? nativeLoop(options, request, passing)
      : crossedLoop(options, request)
    return { ...loop, stream: async () => withSignsOfLife(await loop.stream(), { dialect: 'gemini', clock }) }
  }
  const asking = { dialect: 'gemini', body, passing, onServed } as const
  return { generate: () => models.generate(caller, asking), stream: () => models.stream(caller, asking) }
}

/** On a model that speaks the dialect the rounds do as well: what it signed stays as it is. */
function nativeLoop(options: LoopServices, request: LlmRequest, passing: Passing) {
  const { body, caller } = request
  const { newId } = options
  const run = looping(options, request, { dialect: geminiDialect, wire: 'gemini', streamed: {}, passing })
  const open = (send: Send) => openGeminiClientStream({ body, send, renderError, newId })
  return {
    generate: async () => (await run({ signal: caller.signal })).response,
    stream: () => streamToolLoop({ open, run, signal: caller.signal }),
  }
}

function crossedLoop(options: LoopServices, request: LlmRequest) {
  const { body, caller } = request
  const crossed = crossGemini(loopAsChat(options, request, renderError), options)
  return {
    generate: () => crossed.generate(body, caller.signal),
    stream: () => crossed.stream(body, caller.signal),
  }
}

async function whole(options: LoopServices, context: Context<AppEnv>, request: GeminiRequest): Promise<Response> {
  const report = outcomeReport(request.attached.outcomes, 'gemini')
  return context.json(report.whole(await wireOf(options, context, request).generate()))
}

/** Events where the client asks for them, as all SDKs do; else one JSON list that grows. */
async function streamed(options: LoopServices, context: Context<AppEnv>, request: GeminiRequest): Promise<Response> {
  const bytes = await wireOf(options, context, request).stream()
  const report = outcomeReport(request.attached.outcomes, 'gemini')
  const events = relayStream(report.stream(bytes), (error) => toEvent(renderError(error)))
  if (context.req.query('alt') === 'sse') return eventStream(events)
  return new Response(toReadable(toJsonArray(events)), { headers: { 'content-type': 'application/json' } })
}

/** Cheap and unlimited: Google's own count, else an estimate. */
async function countTokens(options: LoopServices, context: Context<AppEnv>, asked: JsonObject) {
  const { caller, body } = readCountedRequest(options, context, withMcpEntries(asked))
  const counted = await options.models.countTokens(caller, { body, dialect: 'gemini' })
  return counted ?? { totalTokens: estimateTokens(body) }
}

function renderError(error: GatewayError): JsonObject {
  return renderGeminiError(error).body
}
