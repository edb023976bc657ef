import { type JsonObject, toGatewayError } from '@toolgate/core'
import type { Answerable } from './call-decision.ts'
import { cancelled } from './cancelled.ts'
import type { ToolOutcome } from './dialects/dialect.ts'
import type { LoopTool } from './loop-tool.ts'
import { toResultText } from './tool-mapping.ts'

/** Runs one tool; resolves with a `CallToolResult` as its server sent it. */
export type CallTool<Tool extends LoopTool = LoopTool> = (
  tool: Tool,
  input: JsonObject,
  context: { readonly signal: AbortSignal; readonly round: number },
) => Promise<JsonObject>

export interface ExecutionOptions<Tool extends LoopTool> {
  readonly call: CallTool<Tool>
  readonly round: number
  readonly maxParallel: number
  /** The client's; once aborted, nothing is answered any more. */
  readonly clientSignal: AbortSignal
  /** Also aborted when the loop's time is up. */
  readonly signal: AbortSignal
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
    for (const [index, decision] of queue) {
      outcomes[index] = { call: decision.call, text: await answerCall(decision, options) }
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.maxParallel, decisions.length) }, work))
  return outcomes
}

async function answerCall<Tool extends LoopTool>(
  decision: Answerable<Tool>,
  { call: callTool, round, clientSignal, signal }: ExecutionOptions<Tool>,
): Promise<string> {
  const { call } = decision
  if (decision.kind === 'refuse') return errorText(decision.reason)
  if (!call.arguments.ok) return errorText(`${call.arguments.problem} Send one JSON object.`)
  try {
    signal.throwIfAborted()
    const result = await callTool(decision.tool, call.arguments.value, { signal, round })
    const text = toResultText(result)
    return result['isError'] === true ? errorText(text) : text
  } catch (error) {
    if (clientSignal.aborted) throw cancelled(error)
    if (signal.aborted) return errorText('Stopped: the time for tool calls of this request is up.')
    const failure = toGatewayError(error)
    if (failure.code === 'CANCELLED') throw failure
    // Any other failure is for the model to read: it can choose another way, the request goes on.
    const { upstream } = failure.details
    return errorText(upstream === undefined ? failure.message : `${failure.message} ${upstream.message}`)
  }
}

function errorText(reason: string): string {
  return `Error: ${reason}`
}
