import { type Caller, type Clock, type GatewayError, type JsonObject, type NewId } from '@toolgate/core'
import {
  type AttachedTool,
  type AttachedTools,
  attachTools,
  chatDialect,
  type LoopHooks,
  type Models,
  relayChatStream,
  runToolLoop,
  selectTools,
  streamToolLoop,
  streamWithOutcomes,
  type ToolSelection,
  type TurnRecords,
  withOutcomes,
  withoutReports,
} from '@toolgate/llm'
import type { Gateway } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { readFields } from '../parse-body.ts'
import { renderOpenAiError } from '../render/openai.ts'

/**
 * The chat door. Without gateway tools a request is relayed to its model as it is; with them the tool loop answers. The
 * door decides nothing: which tools are asked for, whether a call needs approval and when to stop is the loop's, and
 * every tool call takes the same spine as at any other door.
 */
export interface ChatOptions {
  readonly models: Models
  readonly gateway: Gateway
  readonly turnRecords: TurnRecords
  readonly clock: Clock
  readonly newId: NewId
}

export function chatRoutes(options: ChatOptions) {
  const complete = completing(options)
  return new Hono<AppEnv>().post('/v1/chat/completions', complete).post('/chat/completions', complete)
}

/** What this door itself needs of a request; the rest is its provider's to judge. */
export const chatBody = z
  .looseObject({ model: z.string().min(1), messages: z.array(z.looseObject({})), stream: z.boolean().nullish() })
  .meta({
    description: 'OpenAI’s request. `tools` may hold MCP entries: {"type": "mcp", "server_url": "litellm_proxy"}.',
  })

function completing(options: ChatOptions) {
  return async (context: Context<AppEnv>): Promise<Response> => {
    const { caller } = context.var
    const asked = withoutReports(await readJsonObject(context))
    readFields(chatBody, asked)
    const { selections, body } = selectTools({
      body: asked,
      serversHeader: context.req.header('x-mcp-servers'),
      autoTools: caller.principal.autoTools,
    })
    const callerFor = entryCallers(context.var)
    const attached = await attach(options, callerFor, selections)
    const streamed = asked['stream'] === true
    if (attached.tools.length === 0) {
      if (streamed) return relay(options, { caller, body, attached })
      return context.json(withOutcomes(await options.models.generate(caller, { body }), attached.outcomes))
    }

    const loop = looping(options, { caller, body, attached, callerFor })
    if (!streamed) return context.json((await loop({ signal: caller.signal, onRound() {} })).response)
    const { clock, newId } = options
    return eventStream(await streamToolLoop({ body, run: loop, signal: caller.signal, renderError, clock, newId }))
  }
}

/** The caller as one `tools` entry wants it: with the entry's own headers for its servers. */
type CallerFor = (selection: Pick<ToolSelection, 'headers'>) => Caller

function entryCallers({ caller, callerWith }: Pick<AppEnv['Variables'], 'caller' | 'callerWith'>): CallerFor {
  return ({ headers }) => (Object.keys(headers).length === 0 ? caller : callerWith(headers))
}

function attach({ gateway }: ChatOptions, callerFor: CallerFor, selections: readonly ToolSelection[]) {
  return attachTools(selections, ({ servers, headers }) =>
    gateway.list(callerFor({ headers }), { kind: 'tools', ...(servers !== undefined && { servers }) }),
  )
}

interface Completion {
  readonly caller: Caller
  readonly body: JsonObject
  readonly attached: AttachedTools
  readonly callerFor: CallerFor
}

function looping(
  { models, gateway, turnRecords, clock, newId }: ChatOptions,
  { caller, body, attached, callerFor }: Completion,
) {
  return (hooks: LoopHooks) =>
    runToolLoop<AttachedTool>({
      ...hooks,
      body,
      dialect: chatDialect,
      tools: attached.tools,
      outcomes: attached.outcomes,
      owner: caller.principal.id,
      turnRecords,
      clock,
      newId,
      generate: (request, { round, signal }) => models.generate(caller, { body: request, round, signal }),
      call: ({ server, toolName, selection }, input, { signal }) =>
        gateway.send(
          { ...callerFor(selection), signal },
          { server: server.id, method: 'tools/call', params: { name: toolName, arguments: input } },
        ),
    })
}

async function relay(
  { models }: ChatOptions,
  { caller, body, attached }: Omit<Completion, 'callerFor'>,
): Promise<Response> {
  const bytes = await models.stream(caller, { body })
  return eventStream(relayChatStream(streamWithOutcomes(bytes, attached.outcomes), renderError))
}

function renderError(error: GatewayError): JsonObject {
  return renderOpenAiError(error).body
}

function eventStream(events: AsyncIterable<Uint8Array>): Response {
  return new Response(ReadableStream.from(events), {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    },
  })
}
