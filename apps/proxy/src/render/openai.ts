import {
  type ErrorCode,
  type ErrorDetails,
  type GatewayError,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '@toolgate/core'
import { httpStatus } from './status.ts'

/**
 * Failures in LiteLLM's envelope, which is OpenAI's with `code` as a string:
 * `{"error": {"message", "type", "param", "code"}}`. Spoken by the LLM routes, the key API and every refusal of a
 * credential. Clients in the field match on `type` and on parts of the messages.
 */

const errorType = {
  INVALID_REQUEST: 'invalid_request_error',
  PAYLOAD_TOO_LARGE: 'invalid_request_error',
  ROUTE_NOT_FOUND: 'not_found_error',
  METHOD_NOT_ALLOWED: 'invalid_request_error',
  CANCELLED: 'request_cancelled',

  CREDENTIAL_MISSING: 'auth_error',
  CREDENTIAL_INVALID: 'auth_error',
  CREDENTIAL_CONFLICT: 'auth_error',
  KEY_EXPIRED: 'expired_key',
  KEY_BLOCKED: 'auth_error',
  ADMIN_ONLY: 'auth_error',
  ROUTE_NOT_ALLOWED: 'auth_error',
  ORIGIN_NOT_ALLOWED: 'auth_error',
  SESSION_NOT_FOUND: 'not_found_error',
  SESSION_OF_ANOTHER: 'auth_error',
  TOO_MANY_SESSIONS: 'rate_limit_error',
  TOO_MANY_REQUESTS: 'rate_limit_error',
  STORE_UNAVAILABLE: 'service_unavailable',
  CLIENT_DOCUMENT_UNAVAILABLE: 'service_unavailable',

  KEY_NOT_FOUND: 'not_found_error',
  RECORD_NOT_FOUND: 'not_found_error',
  CONFLICT: 'bad_request_error',

  SERVER_NOT_FOUND: 'mcp_server_not_found',
  STORED_SERVER_NOT_FOUND: 'mcp_server_not_found',
  TARGET_NOT_FOUND: 'mcp_tool_not_found',
  TOOL_HELD: 'mcp_tool_held',
  TOOLSET_NOT_FOUND: 'not_found_error',
  TOOLSET_EXISTS: 'invalid_request_error',
  TOOL_CHANGE_NOT_FOUND: 'not_found_error',
  TARGET_AMBIGUOUS: 'mcp_tool_ambiguous',
  TOOL_SERVER_MISMATCH: 'mcp_tool_server_mismatch',
  PARAMETERS_NOT_ALLOWED: 'mcp_parameters_not_allowed',
  METHOD_NOT_FOUND: 'invalid_request_error',
  TOOLS_UNRESOLVED: 'mcp_tools_unresolved',
  HEADER_MISMATCH: 'mcp_header_mismatch',
  INPUT_UNAVAILABLE: 'mcp_input_required',

  UPSTREAM_SIGN_IN_REQUIRED: 'mcp_sign_in_required',
  USER_KEY_MISSING: 'byok_auth_required',
  USER_VARIABLES_MISSING: 'missing_user_env_vars',
  UPSTREAM_CREDENTIAL_REJECTED: 'mcp_upstream_error',
  UPSTREAM_TOKEN_UNAVAILABLE: 'mcp_upstream_error',
  UPSTREAM_UNREACHABLE: 'mcp_upstream_error',
  UPSTREAM_TIMEOUT: 'mcp_upstream_timeout',
  UPSTREAM_BUSY: 'mcp_upstream_busy',
  UPSTREAM_PROTOCOL: 'mcp_upstream_error',
  UPSTREAM_ERROR: 'mcp_upstream_error',

  RATE_LIMITED: 'throttling_error',
  BUDGET_EXCEEDED: 'budget_exceeded',

  GUARDRAIL_DENIED: 'guardrail_violation',
  GUARDRAIL_UNAVAILABLE: 'service_unavailable',

  MODEL_NOT_FOUND: 'invalid_request_error',
  MODEL_NOT_ALLOWED: 'key_model_access_denied',
  PROVIDER_ERROR: 'provider_error',
  PROVIDER_UNREACHABLE: 'provider_error',
  PROVIDER_TIMEOUT: 'timeout_error',
  PROVIDER_PROTOCOL: 'provider_error',

  CONFIGURATION_INVALID: 'internal_server_error',
  OVERLOADED: 'service_unavailable',
  SHUTTING_DOWN: 'service_unavailable',
  INTERNAL: 'internal_server_error',
} as const satisfies Record<ErrorCode, string>

export interface RenderedError {
  readonly status: number
  readonly body: object
}

/** What a client can make sense of as the answer to its own request; a redirect or a refusal of our key is not. */
function isRelayable(status: number): boolean {
  return status >= 400 && status <= 599 && status !== 401 && status !== 403
}

export function renderOpenAiError(error: GatewayError): RenderedError & { readonly body: JsonObject } {
  // A 401 or 403 of the provider is about the gateway's key there: to the client it is a fault behind us.
  const answered = error.details.provider?.status
  const relayed = error.code === 'PROVIDER_ERROR' && answered !== undefined && isRelayable(answered)
  const status = relayed ? answered : httpStatus[error.code]
  const { field } = error.details
  return {
    status,
    body: {
      error: {
        message: error.message,
        type: errorType[error.code],
        param: typeof field === 'string' ? field : null,
        code: String(status),
        ...(relayed && providersNames(error.details)),
      },
    },
  }
}

const maxNameLength = 100

/** What the provider calls its failure: by it clients tell a `context_length_exceeded` from any other 400. */
function providersNames({ provider }: ErrorDetails): JsonObject {
  const error = isJsonObject(provider?.body) ? provider.body['error'] : undefined
  const { type, code } = isJsonObject(error) ? error : {}
  return { ...(isName(type) && { type }), ...((isName(code) || typeof code === 'number') && { code: String(code) }) }
}

function isName(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxNameLength
}

/** The admin API answers a body that fails its schema as FastAPI does: 422 and a list of `{loc, msg, type}`. */
export function renderAdminError(error: GatewayError): RenderedError {
  const { issues } = error.details
  if (error.code === 'INVALID_REQUEST' && Array.isArray(issues)) return { status: 422, body: { detail: issues } }
  return renderOpenAiError(error)
}
