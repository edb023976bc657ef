import {
  type Caller,
  type Clock,
  createSpending,
  defaultLoopLimits,
  type JsonObject,
  type LoopLimits,
  type NewId,
  type Peer,
} from '@toolgate/core'
import {
  type Approvals,
  type AttachedTool,
  type AttachedTools,
  attachTools,
  type CallTool,
  type ClientStream,
  type Dialect,
  type Models,
  type Passing,
  resolveApproval,
  runToolLoop,
  type Served,
  selectTools,
  takeLimits,
  type ToolFilter,
  type ToolResults,
  type ToolSelection,
  type TurnRecords,
  type WireDialect,
} from '@toolgate/llm'
import type { GuardrailSet } from '@toolgate/policies'
import { type Gateway, isVirtualServer, type SendRequest } from '@toolgate/manager'
import type { Context } from 'hono'
import type { Aim, AppEnv } from './app-env.ts'
import { takeGuardrails } from './asked-guardrails.ts'
import { addAnswerHeaders, tellingServed } from './middleware/answer-headers.ts'
import { refuseOwnKey } from './refuse-own-key.ts'
import { toolFilterHeaders } from './render/tool-filter.ts'
import type { Services } from './services.ts'

/** What every LLM door does alike, whatever its dialect: find the tools that a request asks for, and run the tool loop. */
export interface LoopServices {
  readonly models: Models
  readonly gateway: Gateway
  readonly turnRecords: TurnRecords
  readonly approvals: Approvals
  readonly toolResults: ToolResults
  readonly toolFilter: ToolFilter
  readonly guardrails: GuardrailSet
  readonly live: Services['live']
  readonly clock: Clock
  readonly newId: NewId
}

export interface LlmRequest extends Asking {
  readonly caller: Caller
  /** Without what is ours. */
  readonly body: JsonObject
  readonly attached: AttachedTools
  readonly limits: LoopLimits
  readonly onServed: (served: Served) => void
  /** Of a failure after tools have run: repeated, the request would run them again. SDKs that repeat by themselves obey. */
  readonly forbidRetry: () => void
}

/** Reads which tools a request asks for and attaches them; rejects before any model is asked. */
export async function readLlmRequest(
  services: LoopServices,
  context: Context<AppEnv>,
  asked: JsonObject,
): Promise<LlmRequest> {
  const { caller, body: unguarded } = takeGuardrails(services.guardrails, context, asked)
  const { environment } = services.live.current
  const { body: sent, limits } = takeLimits(unguarded, loopCeiling(services, caller))
  const { selections, body } = selectTools({
    body: sent,
    serversHeader: context.req.header('x-mcp-servers'),
    autoTools: caller.principal.autoTools,
    requiredApproval: caller.principal.requiredApproval,
  })
  refuseOwnKey(body, context.var.admission)
  const asking = {
    callerFor: entryCallers(context.var),
    onlyServer: namesOneServer(services.gateway, caller, selections),
  }
  context.set('aims', () => aimsOf(services, caller, { ...asking, selections }))
  const all = await attach(services, asking, selections)
  const spending = createSpending()
  const spender = { ...caller, spending }
  const narrowed = await services.toolFilter.narrow({ caller: spender, body, tools: all.tools })
  const { maxHeaderLength } = environment.toolFilter
  addAnswerHeaders(context, toolFilterHeaders(narrowed, maxHeaderLength))
  const onServed = tellingServed(context, spending)
  return {
    caller: spender,
    body,
    limits,
    onServed,
    forbidRetry: () => addAnswerHeaders(context, { 'x-should-retry': 'false' }),
    attached: { ...all, tools: narrowed.tools },
    ...asking,
  }
}

/** The caller as one `tools` entry wants it: with the entry's own headers for its servers. */
type CallerFor = (selection: Pick<ToolSelection, 'headers'>) => Promise<Caller>

function entryCallers({ caller, admission }: Pick<AppEnv['Variables'], 'caller' | 'admission'>): CallerFor {
  return async ({ headers }) => (Object.keys(headers).length === 0 ? caller : admission.callerWith(headers))
}

/** What a key has of its own its administrator gave it: also more than others have. */
export function loopCeiling(
  { live }: Pick<LoopServices, 'live'>,
  { principal }: Pick<Caller, 'principal'>,
): LoopLimits {
  return { ...defaultLoopLimits, ...live.current.config.loopLimits, ...principal.loopLimits }
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

function aimsOf(
  { gateway }: LoopServices,
  caller: Caller,
  { callerFor, onlyServer, selections }: Asking & { selections: readonly ToolSelection[] },
): Promise<readonly Aim[]> {
  return Promise.all(
    selections.map(async (selection) => ({
      caller: await callerFor(selection),
      servers: gateway.select(caller, selection.servers).servers,
      onlyServer,
    })),
  )
}

function attach({ gateway }: LoopServices, { callerFor, onlyServer }: Asking, selections: readonly ToolSelection[]) {
  return attachTools(selections, async ({ servers, headers, allowedTools }) =>
    gateway.list(await callerFor({ headers }), {
      kind: 'tools',
      onlyServer,
      namesTools: allowedTools !== undefined,
      ...(servers !== undefined && { servers }),
    }),
  )
}

interface LoopHooks {
  readonly signal: AbortSignal
  /** Absent: the answer is sent whole. */
  readonly client?: ClientStream
}

export interface LoopDialect {
  readonly dialect: Dialect
  readonly wire: WireDialect
  /** What a request for a stream has beside its body. */
  readonly streamed: JsonObject
  readonly passing?: Passing
}

export function looping(services: LoopServices, request: LlmRequest, how: LoopDialect) {
  const { models, turnRecords, approvals, toolResults, clock, newId } = services
  const { caller, body, attached, limits, onServed } = request
  const { dialect, wire, streamed, passing } = how
  const ownTools = new Set(attached.tools.map(({ functionName }) => functionName))
  const callTool = calling(services, request)
  return ({ signal: hungUp, client }: LoopHooks) => {
    let toolsBegan = false
    const running = runToolLoop<AttachedTool>({
      signal: hungUp,
      listener: client,
      body,
      dialect,
      tools: attached.tools,
      outcomes: attached.outcomes,
      owner: caller.principal.id,
      turnRecords,
      approvals,
      limits,
      spent: () => caller.spending?.total ?? 0,
      keepResult: (text) => toolResults.keep(caller.principal.id, text),
      clock,
      newId,
      async generate(asked, context) {
        const { round, closing, signal, toolsRan } = context
        const admitted = round === 1 && toolsRan
        const asking = { dialect: wire, passing, ownTools, round, closing, admitted, signal, onServed }
        if (client === undefined) return models.generate(caller, { ...asking, body: asked })
        return client.readRound(await models.stream(caller, { ...asking, body: { ...asked, ...streamed } }), context)
      },
      call(...given) {
        toolsBegan = true
        return callTool(...given)
      },
      admit: () => models.admit(caller, { dialect: wire, passing, body, signal: hungUp }),
    })
    return running.catch((error: unknown) => {
      if (toolsBegan) request.forbidRetry()
      throw error
    })
  }
}

function calling({ gateway }: LoopServices, { caller, callerFor, onlyServer }: LlmRequest): CallTool<AttachedTool> {
  return async ({ server, toolName, selection }, input, { signal, round, onProgress }) => {
    const { peer, ...entryCaller } = await callerFor(selection)
    const { spending, guardrails } = caller
    return gateway.send(
      {
        ...entryCaller,
        spending,
        guardrails,
        signal,
        peer: onProgress === undefined ? peer : hearing(peer, onProgress),
      },
      {
        server: server.id,
        onlyServer,
        round,
        method: 'tools/call',
        params: { name: toolName, arguments: input, ...(onProgress && { _meta: { progressToken: 'tool' } }) },
        ...(isVirtualServer(server.id) && searching(gateway, caller, selection)),
      },
    )
  }
}

/** Tool search of one entry: it leads to the servers of that entry, and to tools that need no other approval than its own. */
function searching(gateway: Gateway, caller: Caller, selection: ToolSelection): Pick<SendRequest, 'reach' | 'mayRun'> {
  return {
    reach: gateway.select(caller, selection.servers).reach,
    mayRun: ({ server, name }, publicName) =>
      resolveApproval(selection, server.requireApproval, [publicName, ...(name === undefined ? [] : [name])]) ===
      'never',
  }
}

function hearing(peer: Peer, onProgress: (progress: JsonObject) => void): Peer {
  return {
    ...peer,
    notify({ method, params }) {
      if (method === 'notifications/progress' && params !== undefined) onProgress(params)
    },
  }
}
