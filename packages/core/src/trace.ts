import type { Caller } from './caller.ts'
import { type ErrorCode, GatewayError, toGatewayError, type UpstreamStage } from './errors.ts'

/** What one policy decided about a call. Never holds what it decided about. */
export interface PolicyDecision {
  /** The name that the operator gave it. */
  readonly policy: string
  readonly mode: string
  /** `failed`: it could not decide, and the call went on because its operator says so. */
  readonly outcome: 'allowed' | 'denied' | 'changed' | 'failed'
  /** Which of its rules decided. */
  readonly rule?: string | undefined
  /** How many places it changed. */
  readonly count?: number | undefined
  readonly milliseconds: number
}

/**
 * What one call leaves behind: filled stage by stage while it travels, written as one ledger row when it ends.
 * A stage only adds what it alone knows.
 */
export interface CallTrace {
  /** Another round of a call takes over the id of the first. */
  callId: string
  readonly kind: 'tool_call' | 'list' | 'mcp_request' | 'generation'
  readonly method: string
  startedAt: number
  /** As the caller named it. */
  publicName?: string | undefined
  serverId?: string | undefined
  serverName?: string | undefined
  /** The upstream's own name of the tool, prompt or resource. */
  targetName?: string | undefined
  credentialType?: string | undefined
  credentialScope?: 'shared' | 'holder' | undefined
  stage?: UpstreamStage | undefined
  model?: string | undefined
  provider?: string | undefined
  /** Which of those that serve the model. */
  deploymentId?: string | undefined
  /** How many deployments were asked, the one that answered among them. */
  attempts?: number | undefined
  /** Of the tool loop, from 1. */
  round?: number | undefined
  /** The model is asked for its answer once more, after a bound of the loop: no limit refuses that. */
  closing?: boolean | undefined
  promptTokens?: number | undefined
  completionTokens?: number | undefined
  /** Nobody counted all of the tokens: they are estimates, and so is what they cost. */
  estimated?: boolean | undefined
  /** Dollars. */
  spend?: number | undefined
  /** In the order in which they were made. */
  decisions?: PolicyDecision[] | undefined
  /** Milliseconds of the rounds before this one, and of this one once it is over. */
  spentMs?: number | undefined
  /** Of a call that was let through before, as another round of it: limits and budgets have counted it. */
  continued?: boolean | undefined
  /** The call is not over; its row is written when it is. */
  putOff?: boolean | undefined
  /**
   * `ok`, `tool_error` (the tool said `isError`), `input_required` (nobody came back with the answer) or the code it failed
   * with.
   */
  outcome?: 'ok' | 'tool_error' | 'input_required' | ErrorCode | undefined
}

/** What every ring can rely on. */
export interface TracedCall {
  readonly caller: Caller
  readonly trace: CallTrace
}

/** The outermost ring, and not a policy: it cannot be left out or reordered. Writes one row per call, whatever happened. */
export type Recorder = <Result>(call: TracedCall, run: () => Promise<Result>) => Promise<Result>

/**
 * Runs a call and writes into its trace how it ended; an outcome that an answered call has set itself stands. The one
 * place for it, directly inside the recorder. Rejects with a `GatewayError`; `signal` is the caller's.
 */
export async function settled<Result>(
  trace: CallTrace,
  signal: AbortSignal,
  run: () => Promise<Result>,
): Promise<Result> {
  try {
    const result = await run()
    trace.outcome ??= 'ok'
    return result
  } catch (error) {
    const failure = failureOf(error, signal)
    trace.outcome = failure.code
    trace.stage = failure.details.stage
    throw failure
  }
}

/** Once the caller has gone, or its deadline passed, whatever broke because of that is not what failed. */
function failureOf(error: unknown, signal: AbortSignal): GatewayError {
  if (!signal.aborted || error instanceof GatewayError) return toGatewayError(error)
  if (signal.reason instanceof GatewayError) return signal.reason
  return new GatewayError('CANCELLED', 'The request was cancelled before it was answered.', { cause: error })
}
