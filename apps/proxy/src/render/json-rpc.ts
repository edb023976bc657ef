import type { GatewayError } from '@toolgate/core'
import {
  type ErrorCode,
  isJsonObject,
  type JsonObject,
  type JsonRpcErrorBody,
  jsonRpcCodes,
  type JsonValue,
} from '@toolgate/core'
import type { RenderedError } from './openai.ts'
import { httpStatus } from './status.ts'

/**
 * Failures of the MCP door. A request that was read is answered in JSON-RPC; a tool call that failed on its way is a result
 * with `isError`, so that the model sees why; what never became a request is answered in HTTP, as LiteLLM does.
 */

interface Rendering {
  readonly code: number
  /** Of a tool call it is a result with `isError`, as in LiteLLM: the model can act on it, or tell the person. */
  readonly toolResult?: true
}

const { invalidRequest, methodNotFound, invalidParams, internalError } = jsonRpcCodes

/** Spec 2025-11-25, Resources, Error Handling. */
const resourceNotFound = -32002

const rendering = {
  INVALID_REQUEST: { code: invalidParams },
  PAYLOAD_TOO_LARGE: { code: invalidRequest },
  ROUTE_NOT_FOUND: { code: invalidRequest },
  METHOD_NOT_ALLOWED: { code: invalidRequest },
  CANCELLED: { code: internalError },

  CREDENTIAL_MISSING: { code: invalidRequest },
  CREDENTIAL_INVALID: { code: invalidRequest },
  CREDENTIAL_CONFLICT: { code: invalidRequest },
  KEY_EXPIRED: { code: invalidRequest },
  KEY_BLOCKED: { code: invalidRequest },
  ADMIN_ONLY: { code: invalidRequest },
  ROUTE_NOT_ALLOWED: { code: invalidRequest },
  ORIGIN_NOT_ALLOWED: { code: invalidRequest },
  SESSION_NOT_FOUND: { code: invalidRequest },
  SESSION_OF_ANOTHER: { code: invalidRequest },
  TOO_MANY_SESSIONS: { code: invalidRequest },
  TOO_MANY_REQUESTS: { code: invalidRequest },
  STORE_UNAVAILABLE: { code: internalError },
  CLIENT_DOCUMENT_UNAVAILABLE: { code: internalError },

  KEY_NOT_FOUND: { code: invalidParams },
  RECORD_NOT_FOUND: { code: invalidParams },
  CONFLICT: { code: invalidParams },

  SERVER_NOT_FOUND: { code: invalidRequest },
  STORED_SERVER_NOT_FOUND: { code: invalidParams },
  TARGET_NOT_FOUND: { code: invalidParams },
  TOOL_HELD: { code: invalidParams, toolResult: true },
  TOOLSET_NOT_FOUND: { code: invalidParams },
  TOOLSET_EXISTS: { code: invalidParams },
  TOOL_CHANGE_NOT_FOUND: { code: invalidParams },
  TARGET_AMBIGUOUS: { code: invalidParams },
  TOOL_SERVER_MISMATCH: { code: invalidParams },
  PARAMETERS_NOT_ALLOWED: { code: invalidParams, toolResult: true },
  METHOD_NOT_FOUND: { code: methodNotFound },
  TOOLS_UNRESOLVED: { code: invalidParams },
  HEADER_MISMATCH: { code: invalidParams },
  INPUT_UNAVAILABLE: { code: invalidParams, toolResult: true },

  UPSTREAM_SIGN_IN_REQUIRED: { code: internalError, toolResult: true },
  USER_KEY_MISSING: { code: internalError, toolResult: true },
  USER_VARIABLES_MISSING: { code: internalError, toolResult: true },
  UPSTREAM_CREDENTIAL_REJECTED: { code: internalError, toolResult: true },
  UPSTREAM_TOKEN_UNAVAILABLE: { code: internalError, toolResult: true },
  UPSTREAM_UNREACHABLE: { code: internalError, toolResult: true },
  UPSTREAM_TIMEOUT: { code: internalError, toolResult: true },
  UPSTREAM_BUSY: { code: internalError, toolResult: true },
  UPSTREAM_PROTOCOL: { code: internalError, toolResult: true },
  // The upstream's own error, relayed with the code that it has.
  UPSTREAM_ERROR: { code: internalError },

  RATE_LIMITED: { code: invalidRequest, toolResult: true },
  BUDGET_EXCEEDED: { code: invalidRequest, toolResult: true },

  GUARDRAIL_DENIED: { code: invalidParams, toolResult: true },
  GUARDRAIL_UNAVAILABLE: { code: internalError, toolResult: true },

  MODEL_NOT_FOUND: { code: invalidParams },
  MODEL_NOT_ALLOWED: { code: invalidParams },
  PROVIDER_ERROR: { code: internalError },
  PROVIDER_UNREACHABLE: { code: internalError },
  PROVIDER_TIMEOUT: { code: internalError },
  PROVIDER_PROTOCOL: { code: internalError },

  CONFIGURATION_INVALID: { code: internalError },
  OVERLOADED: { code: internalError },
  SHUTTING_DOWN: { code: internalError },
  INTERNAL: { code: internalError },
} as const satisfies Record<ErrorCode, Rendering>

/** The `error` of a JSON-RPC response. What an upstream said goes through with its own code and data. */
export function jsonRpcErrorOf({ code, message, details }: GatewayError, method = ''): JsonRpcErrorBody {
  const { challenge: _challenge, provider: _provider, upstream, ...facts } = details
  if (code === 'UPSTREAM_ERROR' && upstream !== undefined) {
    const { data } = upstream
    return { code: upstream.code, message: upstream.message, ...(data !== undefined && { data: asJson(data) }) }
  }
  const unknownResource = code === 'TARGET_NOT_FOUND' && method.startsWith('resources/')
  return {
    code: unknownResource ? resourceNotFound : rendering[code].code,
    message,
    data: asJson({ code, ...facts }),
  }
}

/** What a tool call that failed this way comes to; undefined where it is no result. */
export function toolFailureOf({ code, message, details }: GatewayError): JsonObject | undefined {
  const how: Rendering = rendering[code]
  if (how.toolResult === undefined) return undefined
  const { challenge: _challenge, provider: _provider, upstream: _upstream, ...facts } = details
  return {
    content: [{ type: 'text', text: `Error: ${message}` }],
    isError: true,
    _meta: { 'toolgate/error': asJson({ code, ...facts }) },
  }
}

/** Faults that an endpoint of one server shows in HTTP: clients that can sign in look at the status. */
export function isUpstreamFault({ code }: GatewayError): boolean {
  return code !== 'UPSTREAM_ERROR' && code.startsWith('UPSTREAM_')
}

const unauthenticated = new Set<ErrorCode>([
  'CREDENTIAL_MISSING',
  'CREDENTIAL_INVALID',
  'CREDENTIAL_CONFLICT',
  'KEY_EXPIRED',
  'KEY_BLOCKED',
])

/** What is said of a refusal that happened before there was a request to answer. */
const refusals = new Map<ErrorCode, string>([
  ['SESSION_OF_ANOTHER', 'Forbidden'],
  ['TOO_MANY_SESSIONS', 'Too Many Requests'],
  ['SESSION_NOT_FOUND', 'Not Found'],
  ['ROUTE_NOT_FOUND', 'Not Found'],
])

/** The whole answer to what did not become a request. LiteLLM's shapes, on which clients in the field match. */
export function renderMcpError(error: GatewayError): RenderedError {
  const { code, message } = error
  const status = httpStatus[code]
  if (unauthenticated.has(code)) {
    const text = 'Authenticate with the gateway to use the MCP endpoint.'
    return { status, body: { error: 'authentication_required', message: text, details: message } }
  }
  const refusal = refusals.get(code)
  if (refusal !== undefined) return { status, body: { error: refusal, details: message } }
  if (status === 403) return { status, body: { error: message } }
  return { status, body: { jsonrpc: '2.0', id: null, error: jsonRpcErrorOf(error) } }
}

/** Facts are written by us and by upstreams; what JSON does not have is left out. */
function asJson(value: unknown): JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (Array.isArray(value)) return value.map(asJson)
  if (!isJsonObject(value)) return null
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [key, asJson(item)]))
}
