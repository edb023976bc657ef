import { type JsonObject, toGatewayError } from '@toolgate/core'
import type { Answerable } from './call-decision.ts'
import { cancelled } from './cancelled.ts'
import type { ToolOutcome, TurnCall } from './dialects/dialect.ts'
import type { LoopTool } from './loop-tool.ts'
import { toOwnArguments } from './schemas/argument-names.ts'
import { toResultText } from './tool-mapping.ts'

/** Runs one tool; resolves with a `CallToolResult` as its server sent it. */
export type CallTool<Tool extends LoopTool = LoopTool> = (
  tool: Tool,
  input: JsonObject,
  context: CallContext,
) => Promise<JsonObject>

export interface CallContext {
  readonly signal: AbortSignal
  readonly round: number
  /** Hears of the tool's own progress notifications. Absent: nobody asks. */
  readonly onProgress?: ((progress: JsonObject) => void) | undefined
}

/** What happens to one call of a gateway tool. */
export type ToolEvent = { readonly call: TurnCall; readonly tool: LoopTool } & (
  | { readonly type: 'started' }
  | { readonly type: 'progress'; readonly progress: JsonObject }
  | ({ readonly type: 'finished' } & Pick<ToolOutcome, 'text' | 'failed' | 'fullResultId'>)
)

export interface ExecutionOptions<Tool extends LoopTool> {
  readonly call: CallTool<Tool>
  readonly round: number
  readonly maxParallel: number
  readonly maxResultLength: number
  readonly keepResult?: ((text: string) => Promise<string | undefined>) | undefined
  /** The client's; once aborted, nothing is answered any more. */
  readonly clientSignal: AbortSignal
  /** Also aborted when the loop's time is up. */
  readonly signal: AbortSignal
  readonly onTool?: ((event: ToolEvent) => Promise<void>) | undefined
  /** Of every call as soon as it has run, before anybody else. */
  readonly onRan?: ((outcome: ToolOutcome) => Promise<void>) | undefined
}

/**
 * Runs a turn's calls, some at a time, and answers in call order. A tool that fails is a result the model reads; the one
 * thing that rejects is the client's cancellation.
 */
export async function executeCalls<Tool extends LoopTool>(
  decisions: readonly Answerable<Tool>[],
  options: ExecutionOptions<Tool>,
): Promise<ToolOutcome[]> {
  const outcomes: ToolOutcome[] = []
  const queue = decisions.entries()
  const work = async () => {
    for (const [index, decision] of queue) outcomes[index] = await answerCall(decision, options)
  }
  await Promise.all(Array.from({ length: Math.min(options.maxParallel, decisions.length) }, work))
  return outcomes
}

async function answerCall<Tool extends LoopTool>(
  decision: Answerable<Tool>,
  options: ExecutionOptions<Tool>,
): Promise<ToolOutcome> {
  const { call } = decision
  if (decision.kind === 'refuse') {
    return { call, tool: decision.tool, text: errorText(decision.reason), failed: true, ran: false }
  }
  const { tool } = decision
  await options.onTool?.({ type: 'started', call, tool })
  const outcome = decision.kind === 'repeat' ? repeated(decision) : await ran(decision, options)
  await options.onTool?.({ ...outcome, type: 'finished', tool })
  return outcome
}

async function ran<Tool extends LoopTool>(
  decision: Extract<Answerable<Tool>, { kind: 'run' }>,
  options: ExecutionOptions<Tool>,
): Promise<ToolOutcome> {
  const { call, tool } = decision
  const { text: whole, failed } = await runCall(decision, options)
  const outcome = { call, tool, failed, ran: true, ...(await shorten(whole, options)) }
  await options.onRan?.(outcome)
  return outcome
}

function repeated<Tool extends LoopTool>({
  call,
  tool,
  kept: { text, failed, fullResultId },
}: Extract<Answerable<Tool>, { kind: 'repeat' }>): ToolOutcome {
  return { call, tool, text, failed, ran: true, fullResultId }
}

/** What is too long for the model is cut, which the model is told; whoever wants the rest finds it by an id. */
async function shorten<Tool extends LoopTool>(
  whole: string,
  { maxResultLength, keepResult }: ExecutionOptions<Tool>,
): Promise<{ text: string; fullResultId?: string | undefined }> {
  if (whole.length <= maxResultLength) return { text: whole }
  const shown = whole.slice(0, maxResultLength).toWellFormed()
  const marker = `[Truncated: these are the first ${maxResultLength} of ${whole.length} characters. If the rest is needed, call the tool with arguments that ask for less.]`
  return { text: `${shown}\n\n${marker}`, fullResultId: await keepResult?.(whole) }
}

interface Ran {
  readonly text: string
  readonly failed: boolean
}

async function runCall<Tool extends LoopTool>(
  { call, tool }: Extract<Answerable<Tool>, { kind: 'run' }>,
  { call: callTool, round, clientSignal, signal, onTool }: ExecutionOptions<Tool>,
): Promise<Ran> {
  if (!call.arguments.ok) return failure(`${call.arguments.problem} Send one JSON object.`)
  try {
    signal.throwIfAborted()
    const result = await callTool(tool, toOwnArguments(call.arguments.value, tool.argumentNames), {
      signal,
      round,
      ...(onTool && { onProgress: progressOf(onTool, call, tool) }),
    })
    const text = toResultText(result)
    return result['isError'] === true ? failure(text) : { text, failed: false }
  } catch (error) {
    if (clientSignal.aborted) throw cancelled(clientSignal, error)
    if (signal.aborted) return failure('Stopped: the time for tool calls of this request is up.')
    const failed = toGatewayError(error)
    if (failed.code === 'CANCELLED') throw failed
    // Any other failure is for the model to read: it can choose another way, the request goes on.
    const { upstream } = failed.details
    return failure(upstream === undefined ? failed.message : `${failed.message} ${upstream.message}`)
  }
}

/** Passes one notification on at a time; what comes while the client is still taking the last one is left out. */
function progressOf(onTool: (event: ToolEvent) => Promise<void>, call: TurnCall, tool: LoopTool) {
  let busy = false
  const over = () => void (busy = false)
  return (progress: JsonObject) => {
    if (busy) return
    busy = true
    // A client that is gone ends the loop by its signal.
    onTool({ type: 'progress', call, tool, progress }).then(over, over)
  }
}

function failure(reason: string): Ran {
  return { text: errorText(reason), failed: true }
}

function errorText(reason: string): string {
  return `Error: ${reason}`
}
