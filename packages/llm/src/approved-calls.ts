import type { JsonObject } from '@toolgate/core'
import { type ApprovedCall, type Decision, decideApproved, type Offer } from './call-decision.ts'
import type { DecidedCall, Dialect, ToolOutcome } from './dialects/dialect.ts'
import type { LoopTool } from './loop-tool.ts'
import type { Approvals } from './records/approvals.ts'
import { executeCalls, type ExecutionOptions } from './tool-execution.ts'

export interface ApprovedCallsOptions<Tool extends LoopTool> {
  readonly dialect: Dialect
  readonly start: JsonObject
  /** What the client was asked and has decided on. */
  readonly decided: readonly DecidedCall[]
  readonly offer: Offer<Tool>
  readonly owner: string
  readonly approvals: Approvals
  readonly maxCalls: number
  /** Rejects where the request would be refused before its model is asked. */
  readonly admit: () => Promise<void>
}

export interface RanApproved<Tool extends LoopTool> {
  readonly decisions: readonly Decision<Tool>[]
  readonly outcomes: readonly ToolOutcome[]
  /** What the model is asked. */
  readonly body: JsonObject
  /** The request was admitted before, for the sake of what ran. */
  readonly admitted: boolean
}

/**
 * Runs what the client approved since it was asked, once, before the model is asked again. A request that is refused runs
 * nothing, and what it brings is as good as before: nobody would read the results.
 */
export async function runApproved<Tool extends LoopTool>(
  options: ApprovedCallsOptions<Tool>,
  execution: ExecutionOptions<Tool>,
): Promise<RanApproved<Tool>> {
  const { dialect, start, decided, offer, owner, approvals, maxCalls } = options
  const admitted = decided.some(({ approve }) => approve)
  if (admitted) await options.admit()
  const usable: ApprovedCall[] = []
  for (const one of decided) {
    usable.push({ ...one, unused: one.approve && (await approvals.use(owner, one.call.id)) })
  }
  const decisions = decideApproved(usable, offer, maxCalls)
  const outcomes = await executeCalls(decisions, execution)
  return { decisions, outcomes, body: dialect.settle?.(start, outcomes) ?? start, admitted }
}
