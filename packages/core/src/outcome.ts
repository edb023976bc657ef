import { type ErrorCode, GatewayError, type UpstreamStage } from './errors.ts'
import type { JsonObject } from './json-rpc.ts'

/** What a server came to when it was last asked, in listings, health and logs. Never an empty list for a failure. */
export type OutcomeStatus = 'ok' | 'stale' | 'needs_auth' | 'rejected' | 'timeout' | 'unreachable' | 'protocol_error'

export interface ServerOutcome {
  readonly serverId: string
  readonly serverName: string
  readonly status: OutcomeStatus
  /** One sentence for the caller; absent for `ok`. */
  readonly message?: string | undefined
  /** Where it failed, as far as that is known. */
  readonly stage?: UpstreamStage | undefined
  /** What a call would be told, where the caller is who can mend it. */
  readonly error?: GatewayError | undefined
  /** When the list that comes with it was read, in milliseconds since the epoch; absent where there is none. */
  readonly listedAt?: number | undefined
  /** Milliseconds since then, as seen when the list was asked for. */
  readonly ageMs?: number | undefined
}

/** The failure that an outcome is to whoever asked for that server by name. A stale list is still a list. */
const failures = {
  ok: undefined,
  stale: undefined,
  needs_auth: 'UPSTREAM_SIGN_IN_REQUIRED',
  rejected: 'UPSTREAM_CREDENTIAL_REJECTED',
  timeout: 'UPSTREAM_TIMEOUT',
  unreachable: 'UPSTREAM_UNREACHABLE',
  protocol_error: 'UPSTREAM_PROTOCOL',
} as const satisfies Record<OutcomeStatus, ErrorCode | undefined>

export function isFailedOutcome({ status }: ServerOutcome): boolean {
  return failures[status] !== undefined
}

/** Undefined where the outcome is no failure. */
export function outcomeError({ serverName, status, message, stage, error }: ServerOutcome): GatewayError | undefined {
  const code = failures[status]
  if (code === undefined) return undefined
  if (error !== undefined) return error
  return new GatewayError(code, message ?? `MCP server "${serverName}": ${status}.`, {
    details: { server: serverName, ...(stage !== undefined && { stage }) },
  })
}

/** As every door shows it. Only a list that is not of this moment has an age worth telling. */
export function encodeOutcome({ serverId, serverName, status, message, ...facts }: ServerOutcome): JsonObject {
  return {
    server_id: serverId,
    server_name: serverName,
    status,
    ...(message !== undefined && { message }),
    ...(facts.stage !== undefined && { stage: facts.stage }),
    ...(status === 'stale' && ageOf(facts)),
  }
}

function ageOf({ listedAt, ageMs }: Pick<ServerOutcome, 'listedAt' | 'ageMs'>): JsonObject {
  return {
    ...(listedAt !== undefined && { listed_at: new Date(listedAt).toISOString() }),
    ...(ageMs !== undefined && { age_seconds: Math.round(ageMs / 1000) }),
  }
}
