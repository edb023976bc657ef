import { type ErrorCode, GatewayError, type OutcomeStatus, type ServerOutcome } from '@toolgate/core'

/**
 * A server's outcome as the failure it is to whoever asked for that server by name. `ok` and `stale` are none: a stale
 * list is still a list.
 */
const failures = {
  ok: undefined,
  stale: undefined,
  needs_auth: 'UPSTREAM_SIGN_IN_REQUIRED',
  rejected: 'UPSTREAM_CREDENTIAL_REJECTED',
  timeout: 'UPSTREAM_TIMEOUT',
  unreachable: 'UPSTREAM_UNREACHABLE',
  protocol_error: 'UPSTREAM_PROTOCOL',
} as const satisfies Record<OutcomeStatus, ErrorCode | undefined>

export function outcomeError({ serverName, status, message }: ServerOutcome): GatewayError | undefined {
  const code = failures[status]
  if (code === undefined) return undefined
  return new GatewayError(code, message ?? `MCP server "${serverName}": ${status}.`, {
    details: { server: serverName },
  })
}
