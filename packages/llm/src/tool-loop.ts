import {
  type Clock,
  defaultLoopLimits,
  GatewayError,
  type JsonObject,
  type LoopLimits,
  type NewId,
  randomId,
  type ServerOutcome,
  systemClock,
} from '@toolgate/core'
import type { DecidedCall, Dialect, PlayedTurn, ToolOutcome, Turn, TurnCall } from './dialects/dialect.ts'
import type { LoopTool } from './loop-tool.ts'
import { runApproved } from './approved-calls.ts'
import { type Decision, decideCalls, isAnswerable, isHandedBack } from './call-decision.ts'
import { cancelled } from './cancelled.ts'
import { type CallTool, executeCalls, type ExecutionOptions, type ToolEvent } from './tool-execution.ts'
import { createToolReport, type LimitReached } from './tool-report.ts'
import type { Approvals } from './records/approvals.ts'
import type { TurnRecords } from './records/turn-records.ts'
import { sumUsage, totalTokens } from './usage.ts'

/**
 * Asks the model, runs the gateway's tools it called, hands the results back, until it answers. It goes by the
 * normalised message and not by provider or finish reason, decides about every call on its own, and always ends:
 * in an answer, in calls that only the client can answer, or at a bound where the model is asked once more without tools.
 */
export interface ToolLoopOptions<Tool extends LoopTool = LoopTool> {
  /** The client's request without the entries that became {@link ToolLoopOptions.tools}. */
  readonly body: JsonObject
  readonly dialect: Dialect
  readonly tools: readonly Tool[]
  /** Of the servers that were asked for them; those that failed are reported. */
  readonly outcomes?: readonly ServerOutcome[] | undefined
  /** Asks the model once, not streaming. Rounds count from 1. */
  readonly generate: (body: JsonObject, context: RoundContext) => Promise<JsonObject>
  readonly call: CallTool<Tool>
  /** Counts the request in, before anything that was approved runs. Rejects where it would be refused before its model is asked. */
  readonly admit: () => Promise<void>
  /** Whose conversation it is: the principal's id. */
  readonly owner: string
  readonly turnRecords: TurnRecords
  readonly approvals: Approvals
  readonly signal: AbortSignal
  readonly limits?: Partial<LoopLimits> | undefined
  /** Dollars that models and tools of this request have cost so far. */
  readonly spent?: (() => number) | undefined
  /** Keeps a result that is too long for the model; resolves with the id it is found by. */
  readonly keepResult?: ((text: string) => Promise<string | undefined>) | undefined
  readonly clock?: Clock
  readonly newId?: NewId
  readonly listener?: LoopListener | undefined
}

/** Hears of the loop while it runs; the loop waits for it. */
export interface LoopListener {
  /** Ids under which the client has already been handed calls: they stay. */
  readonly handedIds?: ReadonlySet<string>
  /** Of every answer of the model as soon as it is there, before its calls run. */
  onRound?(round: LoopRound): Promise<void>
  onTool?(event: ToolEvent): Promise<void>
}

export interface RoundContext {
  readonly round: number
  /** A bound is reached: this is asked for the answer alone. */
  readonly closing: boolean
  /** Tools have had their effects: no limit may leave them without an answer. The first round was counted in before them. */
  readonly toolsRan: boolean
  readonly signal: AbortSignal
  /** Whether a call of that name is the client's to answer. */
  isHandedBack(name: string): boolean
}

export interface LoopRound {
  readonly round: number
  readonly turn: Turn
  /** Nothing is executed or handed back: this is the answer. */
  readonly final: boolean
}

export interface LoopAnswer {
  readonly response: JsonObject
  readonly rounds: number
  /** Calls of gateway tools, also those that failed. */
  readonly executedCalls: number
  readonly limitReached: LimitReached | undefined
}

/** Rejects with `CANCELLED`, with what `generate` rejects with, and with `INVALID_REQUEST`. A failing tool never rejects. */
export async function runToolLoop<Tool extends LoopTool>(options: ToolLoopOptions<Tool>): Promise<LoopAnswer> {
  const { dialect, tools, owner, turnRecords, signal, clock = systemClock } = options
  const limits = { ...defaultLoopLimits, ...options.limits }
  const clientFunctions = dialect.clientFunctions(options.body)
  refuseCollisions(tools, clientFunctions)
  const restored = await dialect.restore(options.body, (callIds) => turnRecords.find(owner, callIds))

  const timeUp = new AbortController()
  const cancelTimer = clock.after(limits.maxDurationMs, () => timeUp.abort())
  try {
    return await runRounds({
      ...options,
      newId: options.newId ?? randomId,
      limits,
      clientFunctions,
      start: dialect.begin(restored, tools),
      decided: dialect.approvals?.(restored) ?? [],
      toolSignal: AbortSignal.any([signal, timeUp.signal]),
    })
  } finally {
    cancelTimer()
  }
}

function refuseCollisions(tools: readonly LoopTool[], clientFunctions: ReadonlySet<string>): void {
  const collision = tools.find(({ functionName }) => clientFunctions.has(functionName))
  if (collision === undefined) return
  throw new GatewayError(
    'INVALID_REQUEST',
    `"${collision.functionName}" is both a function of the request and an MCP tool. Rename the function, or leave the tool out with allowed_tools.`,
    { details: { field: 'tools', name: collision.functionName } },
  )
}

interface Run<Tool extends LoopTool> extends ToolLoopOptions<Tool> {
  readonly newId: NewId
  readonly limits: LoopLimits
  readonly clientFunctions: ReadonlySet<string>
  readonly start: JsonObject
  /** What the client was asked and has decided on. */
  readonly decided: readonly DecidedCall[]
  readonly toolSignal: AbortSignal
}

async function runRounds<Tool extends LoopTool>(run: Run<Tool>): Promise<LoopAnswer> {
  const { dialect, limits, start, signal, listener } = run
  const report = createToolReport(run.tools, run.outcomes)
  const offer = { tools: run.tools, clientFunctions: run.clientFunctions }
  const approved = await runApproved({ ...run, offer, maxCalls: limits.maxCalls }, executing(run, 1))
  report.add(approved.decisions, approved.outcomes)
  const turns: PlayedTurn[] = approved.outcomes.length === 0 ? [] : [{ turn: silence, outcomes: approved.outcomes }]
  let body = approved.body
  let usage: JsonObject | undefined
  let limitReached: LimitReached | undefined

  for (let round = 1; ; round += 1) {
    if (signal.aborted) throw cancelled(signal)
    const handsBack = (name: string) => limitReached === undefined && isHandedBack(offer, name)
    const asking = { round, signal, toolsRan: round > 1 || approved.admitted, isHandedBack: handsBack }
    const answered = await generateWithin(run, body, { ...asking, closing: limitReached !== undefined })
    const { response } = answered
    limitReached = answered.limitReached ?? limitReached
    // Without tools of ours every call is between the model and the client.
    if (run.tools.length === 0) return { response, rounds: round, executedCalls: 0, limitReached }
    const turn = dialect.readTurn(response, run.newId)
    usage = sumUsage(usage, turn.usage)
    const decisions =
      limitReached === undefined ? decideCalls(turn.calls, offer, limits.maxCalls - report.executed) : []
    const final = decisions.length === 0
    await listener?.onRound?.({ round, turn, final })

    const answer = (returned: readonly TurnCall[], outcomes: readonly ToolOutcome[]): LoopAnswer => ({
      response: dialect.answer({
        response,
        turns: [...turns, { turn, outcomes }],
        request: start,
        usage,
        returned,
        report: report.fields(limitReached),
        tools: run.tools,
        outcomes: run.outcomes ?? [],
        limitReached,
        newId: run.newId,
      }),
      rounds: round,
      executedCalls: report.executed,
      limitReached,
    })
    if (final) return answer([], [])

    const outcomes = await executeCalls(decisions.filter(isAnswerable), executing(run, round))
    report.add(decisions, outcomes)
    const returned = decisions.filter(({ kind }) => kind === 'return').map(({ call }) => call)
    if (returned.length > 0) return answer(await handBack({ run, body, turn, returned, outcomes }), outcomes)

    turns.push({ turn, outcomes })
    limitReached = boundReached(run, { round, decisions, usage })
    body = dialect.append(body, turn, outcomes)
    body = limitReached === undefined ? dialect.relaxToolChoice(body) : dialect.withoutTools(body)
  }
}

interface Generated {
  readonly response: JsonObject
  readonly limitReached?: LimitReached | undefined
}

/** A limit of the key that is reached between rounds is a bound like any other: tools have had their effects, an answer is due. */
async function generateWithin<Tool extends LoopTool>(
  { generate, dialect, tools }: Run<Tool>,
  body: JsonObject,
  context: RoundContext,
): Promise<Generated> {
  try {
    return { response: await generate(body, context) }
  } catch (error) {
    const limitReached = context.toolsRan && tools.length > 0 && !context.closing ? keyLimitIn(error) : undefined
    if (limitReached === undefined) throw error
    const closing = { ...context, closing: true, isHandedBack: () => false }
    return { response: await generate(dialect.withoutTools(body), closing), limitReached }
  }
}

function keyLimitIn(error: unknown): LimitReached | undefined {
  if (!(error instanceof GatewayError)) return undefined
  if (error.code === 'BUDGET_EXCEEDED') return 'spend'
  return error.code === 'RATE_LIMITED' && error.details.limitType === 'tokens' ? 'tokens' : undefined
}

function executing<Tool extends LoopTool>(run: Run<Tool>, round: number): ExecutionOptions<Tool> {
  const { listener, limits } = run
  return {
    call: run.call,
    round,
    maxParallel: limits.maxParallel,
    maxResultLength: limits.maxResultLength,
    keepResult: run.keepResult,
    clientSignal: run.signal,
    signal: run.toolSignal,
    onTool: listener?.onTool?.bind(listener),
  }
}

/** A turn in which nothing was said: the client begins with its decisions. */
const silence: Turn = { text: '', calls: [], usage: undefined, message: {} }

interface Reached<Tool extends LoopTool> {
  readonly round: number
  readonly decisions: readonly Decision<Tool>[]
  readonly usage: JsonObject | undefined
}

function boundReached<Tool extends LoopTool>(
  { toolSignal, limits, spent = () => 0 }: Run<Tool>,
  { round, decisions, usage }: Reached<Tool>,
): LimitReached | undefined {
  if (toolSignal.aborted) return 'time'
  if (decisions.some((decision) => decision.kind === 'refuse' && decision.overLimit)) return 'calls'
  if (totalTokens(usage) >= limits.maxTokens) return 'tokens'
  if (spent() >= limits.maxSpend) return 'spend'
  return round >= limits.maxRounds ? 'rounds' : undefined
}

interface HandBack<Tool extends LoopTool> {
  readonly run: Run<Tool>
  readonly body: JsonObject
  readonly turn: Turn
  readonly returned: readonly TurnCall[]
  readonly outcomes: readonly ToolOutcome[]
}

/**
 * The calls as the client gets them. Where the gateway already did something in this request, they carry ids of ours: the
 * record is found by them, and a provider that numbers its calls (`call_0`) must not open another conversation's record.
 */
async function handBack<Tool extends LoopTool>({ run, body, turn, returned, outcomes }: HandBack<Tool>) {
  const { dialect, start, owner, turnRecords, newId, listener } = run
  if (dialect.replays || (body === start && outcomes.length === 0)) return returned
  const idOf = ({ id }: TurnCall) => (listener?.handedIds?.has(id) ? id : newId('call'))
  const renamed = new Map(returned.map((call) => [call, { ...call, id: idOf(call) }]))
  const calls = turn.calls.map((call) => renamed.get(call) ?? call)
  const continued = dialect.append(body, { ...turn, calls }, outcomes)
  const handed = [...renamed.values()]
  await turnRecords.save({
    owner,
    callIds: handed.map(({ id }) => id),
    appended: dialect.appendedSince(start, continued),
  })
  return handed
}
