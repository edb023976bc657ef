import type { ErrorCode, GatewayError } from '@toolgate/core'
import type { RenderedError } from './openai.ts'
import { httpStatus } from './status.ts'

/**
 * Failures of `/mcp-rest`, `/mcp/tools` and `/v1/mcp` as LiteLLM's FastAPI routes shape them:
 * `{"detail": {"error", "message", …}}`. Facts that help the caller (server, stage, candidates) stand beside them.
 */

const restError = {
  INVALID_REQUEST: 'invalid_request',
  PAYLOAD_TOO_LARGE: 'payload_too_large',
  ROUTE_NOT_FOUND: 'not_found',
  METHOD_NOT_ALLOWED: 'method_not_allowed',
  CANCELLED: 'cancelled',

  CREDENTIAL_MISSING: 'authentication_required',
  CREDENTIAL_INVALID: 'authentication_required',
  CREDENTIAL_CONFLICT: 'authentication_required',
  KEY_EXPIRED: 'authentication_required',
  KEY_BLOCKED: 'authentication_required',
  ADMIN_ONLY: 'forbidden',
  ROUTE_NOT_ALLOWED: 'forbidden',
  ORIGIN_NOT_ALLOWED: 'forbidden',
  SESSION_NOT_FOUND: 'session_not_found',
  SESSION_OF_ANOTHER: 'forbidden',
  TOO_MANY_SESSIONS: 'too_many_sessions',
  TOO_MANY_REQUESTS: 'too_many_requests',
  STORE_UNAVAILABLE: 'store_unavailable',
  CLIENT_DOCUMENT_UNAVAILABLE: 'client_document_unavailable',

  KEY_NOT_FOUND: 'key_not_found',
  RECORD_NOT_FOUND: 'not_found',
  CONFLICT: 'conflict',

  // Unknown and forbidden are one answer: a denial must not confirm that something exists.
  SERVER_NOT_FOUND: 'access_denied',
  STORED_SERVER_NOT_FOUND: 'server_not_found',
  TARGET_NOT_FOUND: 'access_denied',
  TOOL_HELD: 'tool_held',
  TOOLSET_NOT_FOUND: 'toolset_not_found',
  TOOLSET_EXISTS: 'toolset_exists',
  TOOL_CHANGE_NOT_FOUND: 'tool_change_not_found',
  TARGET_AMBIGUOUS: 'ambiguous_tool_name',
  TOOL_SERVER_MISMATCH: 'tool_server_mismatch',
  PARAMETERS_NOT_ALLOWED: 'parameters_not_allowed',
  METHOD_NOT_FOUND: 'method_not_found',
  TOOLS_UNRESOLVED: 'tools_unresolved',
  HEADER_MISMATCH: 'header_mismatch',
  INPUT_UNAVAILABLE: 'input_required',

  UPSTREAM_SIGN_IN_REQUIRED: 'upstream_sign_in_required',
  USER_KEY_MISSING: 'byok_auth_required',
  USER_VARIABLES_MISSING: 'missing_user_env_vars',
  UPSTREAM_CREDENTIAL_REJECTED: 'upstream_credential_rejected',
  UPSTREAM_TOKEN_UNAVAILABLE: 'upstream_token_unavailable',
  UPSTREAM_UNREACHABLE: 'upstream_unreachable',
  UPSTREAM_TIMEOUT: 'upstream_timeout',
  UPSTREAM_BUSY: 'upstream_busy',
  UPSTREAM_PROTOCOL: 'upstream_protocol_error',
  UPSTREAM_ERROR: 'upstream_error',

  RATE_LIMITED: 'rate_limit_exceeded',
  BUDGET_EXCEEDED: 'budget_exceeded',

  GUARDRAIL_DENIED: 'guardrail_violation',
  GUARDRAIL_UNAVAILABLE: 'guardrail_unavailable',

  MODEL_NOT_FOUND: 'model_not_found',
  MODEL_NOT_ALLOWED: 'model_not_allowed',
  PROVIDER_ERROR: 'provider_error',
  PROVIDER_UNREACHABLE: 'provider_unreachable',
  PROVIDER_TIMEOUT: 'provider_timeout',
  PROVIDER_PROTOCOL: 'provider_protocol_error',

  CONFIGURATION_INVALID: 'internal_server_error',
  OVERLOADED: 'overloaded',
  SHUTTING_DOWN: 'shutting_down',
  INTERNAL: 'internal_server_error',
} as const satisfies Record<ErrorCode, string>

export function renderRestError(error: GatewayError): RenderedError {
  const { challenge: _challenge, error: named, ...facts } = error.details
  // A body that fails its schema, as FastAPI answers it.
  if (error.code === 'INVALID_REQUEST' && Array.isArray(facts['issues'])) {
    return { status: 422, body: { detail: facts['issues'] } }
  }
  return {
    status: httpStatus[error.code],
    body: {
      detail: { ...facts, error: typeof named === 'string' ? named : restError[error.code], message: error.message },
    },
  }
}
