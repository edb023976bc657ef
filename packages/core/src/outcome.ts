import { type ErrorCode, GatewayError } from './errors.ts'
import type { JsonObject } from './json-rpc.ts'

/** What a server came to when it was last asked, in listings, health and logs. Never an empty list for a failure. */
export type OutcomeStatus = 'ok' | 'stale' | 'needs_auth' | 'rejected' | 'timeout' | 'unreachable' | 'protocol_error'

export interface ServerOutcome {
  readonly serverId: string
  readonly serverName: string
  readonly status: OutcomeStatus
  /** One sentence for the caller; absent for `ok`. */
  readonly message?: string | undefined
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
export function outcomeError({ serverName, status, message }: ServerOutcome): GatewayError | undefined {
  const code = failures[status]
  if (code === undefined) return undefined
  return new GatewayError(code, message ?? `MCP server "${serverName}": ${status}.`, {
    details: { server: serverName },
  })
}

/** As every door shows it. */
export function encodeOutcome({ serverId, serverName, status, message }: ServerOutcome): JsonObject {
  return { server_id: serverId, server_name: serverName, status, ...(message !== undefined && { message }) }
}
