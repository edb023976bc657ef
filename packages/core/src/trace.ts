import type { Caller } from './caller.ts'
import type { ErrorCode, UpstreamStage } from './errors.ts'

/**
 * What one call leaves behind: filled stage by stage while it travels, written as one ledger row when it ends.
 * A stage only adds what it alone knows.
 */
export interface CallTrace {
  readonly callId: string
  readonly kind: 'tool_call' | 'list' | 'mcp_request' | 'generation'
  readonly method: string
  readonly startedAt: number
  /** As the caller named it. */
  publicName?: string | undefined
  serverId?: string | undefined
  serverName?: string | undefined
  /** The upstream's own name of the tool, prompt or resource. */
  targetName?: string | undefined
  credentialType?: string | undefined
  stage?: UpstreamStage | undefined
  model?: string | undefined
  provider?: string | undefined
  round?: number | undefined
  promptTokens?: number | undefined
  completionTokens?: number | undefined
  /** `ok`, `tool_error` (the tool said `isError`) or the code it failed with. */
  outcome?: 'ok' | 'tool_error' | ErrorCode | undefined
}

/** What every ring can rely on. */
export interface TracedCall {
  readonly caller: Caller
  readonly trace: CallTrace
}

/** The outermost ring, and not a policy: it cannot be left out or reordered. Writes one row per call, whatever happened. */
export type Recorder = <Result>(call: TracedCall, run: () => Promise<Result>) => Promise<Result>
