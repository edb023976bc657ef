import {
  type Caller,
  type Clock,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type NewId,
  type Peer,
} from '@toolgate/core'
import {
  type AttachedTool,
  type AttachedTools,
  attachTools,
  chatDialect,
  type ClientStream,
  type LoopLimits,
  type Models,
  openChatClientStream,
  relayChatStream,
  resolveApproval,
  runToolLoop,
  selectTools,
  type Send,
  streamToolLoop,
  streamWithOutcomes,
  takeLimits,
  type ToolResults,
  type ToolSelection,
  type TurnRecords,
  withOutcomes,
  withoutReports,
} from '@toolgate/llm'
import { type Gateway, isVirtualServer, type SendRequest } from '@toolgate/manager'
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
  readonly toolResults: ToolResults
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
    const { body: sent, limits } = takeLimits(await readJsonObject(context))
    const asked = withoutReports(sent)
    readFields(chatBody, asked)
    const { selections, body } = selectTools({
      body: asked,
      serversHeader: context.req.header('x-mcp-servers'),
      autoTools: caller.principal.autoTools,
    })
    refuseCredential(body, context.var.holdsCredential)
    const asking = {
      callerFor: entryCallers(context.var),
      onlyServer: namesOneServer(options.gateway, caller, selections),
    }
    const attached = await attach(options, asking, selections)
    const streamed = asked['stream'] === true
    if (attached.tools.length === 0) {
      if (streamed) return relay(options, { caller, body, attached })
      return context.json(withOutcomes(await options.models.generate(caller, { body }), attached.outcomes))
    }

    const loop = looping(options, { caller, body, attached, limits, ...asking })
    if (!streamed) return context.json((await loop({ signal: caller.signal })).response)
    const { clock, newId } = options
    const open = (send: Send) => openChatClientStream({ body, send, renderError, clock, newId })
    return eventStream(await streamToolLoop({ open, run: loop, signal: caller.signal, clock }))
  }
}

/** MCP entries for other servers are the provider's to call; a gateway key in one of them would be told to the provider. */
function refuseCredential({ tools }: JsonObject, holdsCredential: AppEnv['Variables']['holdsCredential']): void {
  if (!Array.isArray(tools) || !tools.some((tool) => isJsonObject(tool) && tool['type'] === 'mcp')) return
  if (!holdsCredential(JSON.stringify(tools))) return
  throw new GatewayError(
    'INVALID_REQUEST',
    'tools: an MCP entry that goes to the provider holds the key of this gateway. For servers of the gateway use the server_url "litellm_proxy".',
    { details: { field: 'tools' } },
  )
}

/** The caller as one `tools` entry wants it: with the entry's own headers for its servers. */
type CallerFor = (selection: Pick<ToolSelection, 'headers'>) => Promise<Caller>

function entryCallers({ caller, callerWith }: Pick<AppEnv['Variables'], 'caller' | 'callerWith'>): CallerFor {
  return async ({ headers }) => (Object.keys(headers).length === 0 ? caller : callerWith(headers))
}

interface Asking {
  readonly callerFor: CallerFor
  /** All that the request names is one server. */
  readonly onlyServer: boolean
}

function namesOneServer(gateway: Gateway, caller: Caller, selections: readonly ToolSelection[]): boolean {
  const named = selections.map(({ servers }) => servers)
  return (
    !named.includes(undefined) &&
    gateway.select(
      caller,
      named.flatMap((names) => names ?? []),
    ).servers.length === 1
  )
}

function attach({ gateway }: ChatOptions, { callerFor, onlyServer }: Asking, selections: readonly ToolSelection[]) {
  return attachTools(selections, async ({ servers, headers, allowedTools }) =>
    gateway.list(await callerFor({ headers }), {
      kind: 'tools',
      onlyServer,
      namesTools: allowedTools !== undefined,
      ...(servers !== undefined && { servers }),
    }),
  )
}

interface Completion extends Asking {
  readonly caller: Caller
  readonly body: JsonObject
  readonly attached: AttachedTools
  readonly limits: Partial<LoopLimits>
}

interface LoopHooks {
  readonly signal: AbortSignal
  /** Absent: the answer is sent whole. */
  readonly client?: ClientStream
}

function looping(
  { models, gateway, turnRecords, toolResults, clock, newId }: ChatOptions,
  { caller, body, attached, limits, callerFor, onlyServer }: Completion,
) {
  return ({ signal: hungUp, client }: LoopHooks) =>
    runToolLoop<AttachedTool>({
      signal: hungUp,
      listener: client,
      body,
      dialect: chatDialect,
      tools: attached.tools,
      outcomes: attached.outcomes,
      owner: caller.principal.id,
      turnRecords,
      limits,
      keepResult: (text) => toolResults.keep(caller.principal.id, text),
      clock,
      newId,
      async generate(request, context) {
        const { round, signal } = context
        if (client === undefined) return models.generate(caller, { body: request, round, signal })
        return client.readRound(
          await models.stream(caller, { body: countedStream(body, request), round, signal }),
          context,
        )
      },
      call: async ({ server, toolName, selection }, input, { signal, round, onProgress }) => {
        const { peer, ...entryCaller } = await callerFor(selection)
        return gateway.send(
          { ...entryCaller, signal, peer: onProgress === undefined ? peer : hearing(peer, onProgress) },
          {
            server: server.id,
            onlyServer,
            round,
            method: 'tools/call',
            params: { name: toolName, arguments: input, ...(onProgress && { _meta: { progressToken: 'tool' } }) },
            ...(isVirtualServer(server.id) && searching(gateway, caller, selection)),
          },
        )
      },
    })
}

/** Tool search of one entry: it leads to the servers of that entry, and to tools that need no other approval than its own. */
function searching(gateway: Gateway, caller: Caller, selection: ToolSelection): Pick<SendRequest, 'reach' | 'mayRun'> {
  const { servers } = gateway.select(caller, selection.servers)
  return {
    reach: { servers: new Set(servers.map(({ id }) => id)) },
    mayRun: ({ server, name }, publicName) =>
      resolveApproval(selection, server.requireApproval, [publicName, ...(name === undefined ? [] : [name])]) ===
      'never',
  }
}

/** Tokens are counted whether the client wants to see them or not. */
function countedStream({ stream_options: wanted }: JsonObject, request: JsonObject): JsonObject {
  const { include_mcp_progress: _ours, ...options } = isJsonObject(wanted) ? wanted : {}
  return { ...request, stream: true, stream_options: { ...options, include_usage: true } }
}

function hearing(peer: Peer, onProgress: (progress: JsonObject) => void): Peer {
  return {
    ...peer,
    notify({ method, params }) {
      if (method === 'notifications/progress' && params !== undefined) onProgress(params)
    },
  }
}

async function relay(
  { models }: ChatOptions,
  { caller, body, attached }: Omit<Completion, keyof Asking | 'limits'>,
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
