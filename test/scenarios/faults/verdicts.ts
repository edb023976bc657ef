import type { ErrorCode, OutcomeStatus, UpstreamStage } from '@toolgate/core'

/** What becomes of a request to a faulty server, whatever the door. */
export type Verdict = Failure | Passage

export interface Failure {
  readonly code: FailureCode
  readonly stage: UpstreamStage
  /** What it comes to while the next attempt is put off. */
  readonly putOff?: Failure
}

/** The fault is none: the result holds this text. */
export interface Passage {
  readonly passes: string
}

type FailureCode = Extract<
  ErrorCode,
  | 'UPSTREAM_UNREACHABLE'
  | 'UPSTREAM_TIMEOUT'
  | 'UPSTREAM_BUSY'
  | 'UPSTREAM_PROTOCOL'
  | 'UPSTREAM_ERROR'
  | 'UPSTREAM_CREDENTIAL_REJECTED'
>

/** How each door tells a failure: the contract of the doors, written down a second time so that a slip in it shows. */
interface Telling {
  readonly status: number
  /** `detail.error` of the REST doors. */
  readonly rest: string
  /** `error.type` of the chat door. */
  readonly chat: string
  /** Of the server in a list, and by it the failure of a list of this server alone. */
  readonly outcome: OutcomeStatus
}

export const tellings: Readonly<Record<FailureCode, Telling>> = {
  UPSTREAM_UNREACHABLE: {
    status: 502,
    rest: 'upstream_unreachable',
    chat: 'mcp_upstream_error',
    outcome: 'unreachable',
  },
  UPSTREAM_TIMEOUT: { status: 504, rest: 'upstream_timeout', chat: 'mcp_upstream_timeout', outcome: 'timeout' },
  UPSTREAM_BUSY: { status: 503, rest: 'upstream_busy', chat: 'mcp_upstream_busy', outcome: 'unreachable' },
  UPSTREAM_PROTOCOL: {
    status: 502,
    rest: 'upstream_protocol_error',
    chat: 'mcp_upstream_error',
    outcome: 'protocol_error',
  },
  UPSTREAM_ERROR: { status: 502, rest: 'upstream_error', chat: 'mcp_upstream_error', outcome: 'protocol_error' },
  UPSTREAM_CREDENTIAL_REJECTED: {
    status: 502,
    rest: 'upstream_credential_rejected',
    chat: 'mcp_upstream_error',
    outcome: 'rejected',
  },
}

export const unreachable = (stage: UpstreamStage): Failure => ({ code: 'UPSTREAM_UNREACHABLE', stage })
export const timesOut = (stage: UpstreamStage): Failure => ({ code: 'UPSTREAM_TIMEOUT', stage })
export const busy = (stage: UpstreamStage): Failure => ({ code: 'UPSTREAM_BUSY', stage })
export const outOfProtocol = (stage: UpstreamStage): Failure => ({ code: 'UPSTREAM_PROTOCOL', stage })
export const upstreamError = (stage: UpstreamStage): Failure => ({ code: 'UPSTREAM_ERROR', stage })
export const rejected = (stage: UpstreamStage): Failure => ({ code: 'UPSTREAM_CREDENTIAL_REJECTED', stage })

/** A command that does not come up is not started again at once: who asks meanwhile is told so. */
export const thenPutOff = (failure: Failure): Failure => ({ ...failure, putOff: unreachable('connect') })

/** As if nothing were wrong: the fake's `echo` answers with its arguments. */
export const passes = (text = 'hello from the table'): Passage => ({ passes: text })

/** How a failure may be told; the first is the fault itself. */
export function waysOf(failure: Failure): readonly Failure[] {
  return failure.putOff === undefined ? [failure] : [failure, failure.putOff]
}

export function isPassage(verdict: Verdict): verdict is Passage {
  return 'passes' in verdict
}
