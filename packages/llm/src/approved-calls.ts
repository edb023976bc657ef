import type { JsonObject } from '@toolgate/core'
import { type ApprovedCall, type Decision, decideApproved, type Offer } from './call-decision.ts'
import type { DecidedCall, Dialect, ToolOutcome, TurnCall } from './dialects/dialect.ts'
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
  const decisions = decideApproved(await usable(options), offer, maxCalls)
  const outcomes = await executeCalls(decisions, {
    ...execution,
    // Kept one by one and at once: neither a model that fails nor a client that leaves may cost what has run.
    onRan: async ({ call, text, failed, fullResultId }) =>
      approvals.keep(owner, call.id, { call: writtenOut(call), text, failed, fullResultId }),
  })
  return { decisions, outcomes, body: dialect.settle?.(start, outcomes) ?? start, admitted }
}

/** What came to something before is asked for first: a store that fails then has spent nothing. */
async function usable<Tool extends LoopTool>({
  decided,
  owner,
  approvals,
}: Pick<ApprovedCallsOptions<Tool>, 'decided' | 'owner' | 'approvals'>): Promise<ApprovedCall[]> {
  const ids = decided.filter(({ approve }) => approve).map(({ call }) => call.id)
  const kept = await approvals.find(owner, ids)
  const outcomeOf = (call: TurnCall) => {
    const outcome = kept.get(call.id)
    return outcome?.call === writtenOut(call) ? outcome : undefined
  }
  const unused = await approvals.use(
    owner,
    ids.filter((id) => !kept.has(id)),
  )
  return decided.map((one) => ({ ...one, unused: unused.has(one.call.id), kept: outcomeOf(one.call) }))
}

/** The request says what was called. Under the id of an earlier call it could name another one. */
function writtenOut({ name, arguments: input }: TurnCall): string {
  return JSON.stringify([name, input])
}
