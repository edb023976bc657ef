import type { DecidedCall, TurnCall } from './dialects/dialect.ts'
import type { LoopTool } from './loop-tool.ts'
import type { KeptOutcome } from './records/approvals.ts'

/** What the loop does about one call of a turn. */
export type Decision<Tool extends LoopTool = LoopTool> =
  | Answerable<Tool>
  /** The client's own function, or a call it has to approve. */
  | { readonly kind: 'return'; readonly call: TurnCall }

export type Answerable<Tool extends LoopTool = LoopTool> =
  | { readonly kind: 'run'; readonly call: TurnCall; readonly tool: Tool }
  /** It ran for an earlier request whose answer was lost. */
  | { readonly kind: 'repeat'; readonly call: TurnCall; readonly tool: Tool; readonly kept: KeptOutcome }
  /** Answered without running anything. */
  | {
      readonly kind: 'refuse'
      readonly call: TurnCall
      readonly reason: string
      readonly overLimit: boolean
      readonly tool?: Tool | undefined
    }

export function isAnswerable<Tool extends LoopTool>(decision: Decision<Tool>): decision is Answerable<Tool> {
  return decision.kind !== 'return'
}

export interface Offer<Tool extends LoopTool> {
  readonly tools: readonly Tool[]
  readonly clientFunctions: ReadonlySet<string>
}

/** Whether calls of this name are the client's to answer: its own functions, and tools that it has to approve. */
export function isHandedBack<Tool extends LoopTool>({ tools, clientFunctions }: Offer<Tool>, name: string): boolean {
  if (clientFunctions.has(name)) return true
  return tools.some(({ functionName, approval }) => functionName === name && approval === 'always')
}

const namesShownToTheModel = 20

/**
 * Decides about each call on its own: one that needs approval never runs because another one of its turn does not.
 * Beyond `callsLeft` nothing runs.
 */
export function decideCalls<Tool extends LoopTool>(
  calls: readonly TurnCall[],
  { tools, clientFunctions }: Offer<Tool>,
  callsLeft: number,
): Decision<Tool>[] {
  const byName = new Map(tools.map((tool) => [tool.functionName, tool]))
  let left = callsLeft
  return calls.map((call): Decision<Tool> => {
    if (clientFunctions.has(call.name)) return { kind: 'return', call }
    const tool = byName.get(call.name)
    if (tool === undefined) return { kind: 'refuse', call, reason: unknownTool(call, byName.keys()), overLimit: false }
    if (tool.approval === 'always') return { kind: 'return', call }
    if (left <= 0) {
      return overLimit(call, tool)
    }
    left -= 1
    return { kind: 'run', call, tool }
  })
}

/** A call that the client has decided on; `unused` says that its approval was not seen before. */
export interface ApprovedCall extends DecidedCall {
  readonly unused: boolean
  /** What the call came to when it was used. */
  readonly kept?: KeptOutcome | undefined
}

/** Calls that the client has decided on: approval is what they have, and nothing else is known of them. */
export function decideApproved<Tool extends LoopTool>(
  decided: readonly ApprovedCall[],
  { tools }: Offer<Tool>,
  callsLeft: number,
): Answerable<Tool>[] {
  let left = callsLeft
  return decided.map(({ call, approve, unused, kept }): Answerable<Tool> => {
    const tool = tools.find(({ functionName }) => functionName === call.name)
    const refused = (reason: string) => ({ kind: 'refuse', call, tool, reason, overLimit: false }) as const
    if (!approve) return refused('Not executed: the user did not approve this call.')
    if (tool !== undefined && kept !== undefined) return { kind: 'repeat', call, tool, kept }
    if (!unused) return refused('Not executed again: an approval holds for the first request that brings it.')
    if (tool === undefined) return refused(`Unknown tool "${call.name}".`)
    if (left <= 0) return overLimit(call, tool)
    left -= 1
    return { kind: 'run', call, tool }
  })
}

function overLimit<Tool extends LoopTool>(call: TurnCall, tool: Tool): Answerable<Tool> {
  const reason = 'Not executed: the limit of tool calls for one request is reached.'
  return { kind: 'refuse', call, tool, reason, overLimit: true }
}

function unknownTool({ name }: TurnCall, known: Iterable<string>): string {
  const shown = [...known].slice(0, namesShownToTheModel).join(', ')
  return `Unknown tool "${name}". Tools of this request: ${shown}`
}
