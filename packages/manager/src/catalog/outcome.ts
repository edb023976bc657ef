import { type ErrorCode, type OutcomeStatus, type ServerOutcome, toGatewayError } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'

/** What a failure to list says about the server. */
const statusOf = new Map<ErrorCode, OutcomeStatus>([
  ['UPSTREAM_SIGN_IN_REQUIRED', 'needs_auth'],
  ['USER_KEY_MISSING', 'needs_auth'],
  ['USER_VARIABLES_MISSING', 'needs_auth'],
  ['UPSTREAM_CREDENTIAL_REJECTED', 'rejected'],
  ['UPSTREAM_TIMEOUT', 'timeout'],
  ['UPSTREAM_PROTOCOL', 'protocol_error'],
  ['UPSTREAM_ERROR', 'protocol_error'],
])

/** A failure as an outcome. Whatever is not in the table kept us from reaching the server, be it our own fault. */
export function failedOutcome(server: ManagedServer, failure: unknown): ServerOutcome {
  const error = toGatewayError(failure)
  const { code, message, details } = error
  const status = statusOf.get(code) ?? 'unreachable'
  return {
    ...outcome(server, status, message),
    ...(details.stage !== undefined && { stage: details.stage }),
    ...(status === 'needs_auth' && { error }),
  }
}

export function outcome(server: ManagedServer, status: OutcomeStatus, message?: string): ServerOutcome {
  return { serverId: server.id, serverName: server.name, status, message }
}
