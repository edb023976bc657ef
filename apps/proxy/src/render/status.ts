import type { ErrorCode } from '@toolgate/core'

/**
 * The HTTP status of every failure, for all doors that speak HTTP errors. Blame decides: 4xx the caller can act on,
 * 502 and 504 the upstream, 503 worth trying again, 500 ours.
 */
export const httpStatus = {
  INVALID_REQUEST: 400,
  PAYLOAD_TOO_LARGE: 413,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  // nginx's "client closed request": nobody is left to read it, but the log and the metrics are.
  CANCELLED: 499,

  CREDENTIAL_MISSING: 401,
  CREDENTIAL_INVALID: 401,
  CREDENTIAL_CONFLICT: 401,
  KEY_EXPIRED: 401,
  KEY_BLOCKED: 401,
  ADMIN_ONLY: 403,
  ROUTE_NOT_ALLOWED: 403,
  ORIGIN_NOT_ALLOWED: 403,
  SESSION_NOT_FOUND: 404,
  SESSION_OF_ANOTHER: 403,
  TOO_MANY_SESSIONS: 429,
  TOO_MANY_REQUESTS: 429,
  STORE_UNAVAILABLE: 503,

  KEY_NOT_FOUND: 404,
  RECORD_NOT_FOUND: 404,
  CONFLICT: 400,

  SERVER_NOT_FOUND: 403,
  STORED_SERVER_NOT_FOUND: 404,
  TOOLSET_NOT_FOUND: 404,
  TOOLSET_EXISTS: 409,
  TARGET_NOT_FOUND: 403,
  TOOL_HELD: 403,
  TOOL_CHANGE_NOT_FOUND: 404,
  TARGET_AMBIGUOUS: 400,
  TOOL_SERVER_MISMATCH: 403,
  PARAMETERS_NOT_ALLOWED: 403,
  METHOD_NOT_FOUND: 400,
  TOOLS_UNRESOLVED: 400,
  HEADER_MISMATCH: 400,
  // The request was understood; what it asks for cannot be finished this way.
  INPUT_UNAVAILABLE: 422,

  UPSTREAM_SIGN_IN_REQUIRED: 401,
  UPSTREAM_CREDENTIAL_REJECTED: 502,
  UPSTREAM_TOKEN_UNAVAILABLE: 502,
  UPSTREAM_UNREACHABLE: 502,
  UPSTREAM_TIMEOUT: 504,
  UPSTREAM_BUSY: 503,
  UPSTREAM_PROTOCOL: 502,
  UPSTREAM_ERROR: 502,

  RATE_LIMITED: 429,
  // LiteLLM’s documented one; clients repeat what is 429, and money does not come back by waiting.
  BUDGET_EXCEEDED: 400,

  GUARDRAIL_DENIED: 400,
  GUARDRAIL_UNAVAILABLE: 503,

  MODEL_NOT_FOUND: 400,
  MODEL_NOT_ALLOWED: 403,
  // The provider's own status is relayed where it answered with one; see `openai.ts`.
  PROVIDER_ERROR: 502,
  PROVIDER_UNREACHABLE: 502,
  PROVIDER_TIMEOUT: 504,
  PROVIDER_PROTOCOL: 502,

  CONFIGURATION_INVALID: 500,
  OVERLOADED: 503,
  SHUTTING_DOWN: 503,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>
