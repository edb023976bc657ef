/**
 * Every way a request can fail, as one table. The table knows who can act on a failure and whether trying again may
 * help; it knows no HTTP status and no JSON-RPC number. Those belong to the doors, each of which maps the whole table
 * (`satisfies Record<ErrorCode, …>`), so that a new code does not compile until every door has answered for it.
 */

/** Who can do something about it: who called, who runs the gateway, or the party behind it. */
export type Blame = 'caller' | 'operator' | 'upstream'

const table = {
  INVALID_REQUEST: { blame: 'caller', retryable: false },
  PAYLOAD_TOO_LARGE: { blame: 'caller', retryable: false },
  ROUTE_NOT_FOUND: { blame: 'caller', retryable: false },
  METHOD_NOT_ALLOWED: { blame: 'caller', retryable: false },
  CANCELLED: { blame: 'caller', retryable: false },

  CREDENTIAL_MISSING: { blame: 'caller', retryable: false },
  CREDENTIAL_INVALID: { blame: 'caller', retryable: false },
  CREDENTIAL_CONFLICT: { blame: 'caller', retryable: false },
  KEY_EXPIRED: { blame: 'caller', retryable: false },
  KEY_BLOCKED: { blame: 'caller', retryable: false },
  ADMIN_ONLY: { blame: 'caller', retryable: false },
  /** The key is restricted to other routes (`allowed_routes`). */
  ROUTE_NOT_ALLOWED: { blame: 'caller', retryable: false },
  /** A page in a browser, or a name bound to this machine by somebody else. */
  ORIGIN_NOT_ALLOWED: { blame: 'caller', retryable: false },
  SESSION_NOT_FOUND: { blame: 'caller', retryable: false },
  SESSION_OF_ANOTHER: { blame: 'caller', retryable: false },
  TOO_MANY_SESSIONS: { blame: 'caller', retryable: true },
  TOO_MANY_REQUESTS: { blame: 'caller', retryable: true },
  STORE_UNAVAILABLE: { blame: 'operator', retryable: true },
  /** What an OAuth client says of itself at its own address (CIMD) cannot be read at the moment. */
  CLIENT_DOCUMENT_UNAVAILABLE: { blame: 'upstream', retryable: true },

  KEY_NOT_FOUND: { blame: 'caller', retryable: false },
  /** A stored response or result of a conversation. */
  RECORD_NOT_FOUND: { blame: 'caller', retryable: false },
  CONFLICT: { blame: 'caller', retryable: false },

  SERVER_NOT_FOUND: { blame: 'caller', retryable: false },
  /** For administrators, to whom nothing is hidden. */
  STORED_SERVER_NOT_FOUND: { blame: 'caller', retryable: false },
  /** One that does not exist, or is not granted to the caller. */
  TOOLSET_NOT_FOUND: { blame: 'caller', retryable: false },
  TOOLSET_EXISTS: { blame: 'caller', retryable: false },
  TARGET_NOT_FOUND: { blame: 'caller', retryable: false },
  /** A tool whose definition waits for an administrator's approval; only who may use the tool learns it. */
  TOOL_HELD: { blame: 'operator', retryable: false },
  /** For administrators. */
  TOOL_CHANGE_NOT_FOUND: { blame: 'caller', retryable: false },
  TARGET_AMBIGUOUS: { blame: 'caller', retryable: false },
  TOOL_SERVER_MISMATCH: { blame: 'caller', retryable: false },
  PARAMETERS_NOT_ALLOWED: { blame: 'caller', retryable: false },
  METHOD_NOT_FOUND: { blame: 'caller', retryable: false },
  TOOLS_UNRESOLVED: { blame: 'caller', retryable: false },
  /** Headers of a modern request say something else than its body. */
  HEADER_MISMATCH: { blame: 'caller', retryable: false },
  /** The upstream asks for what this client cannot give, or the upstream may not ask for. */
  INPUT_UNAVAILABLE: { blame: 'caller', retryable: false },

  UPSTREAM_SIGN_IN_REQUIRED: { blame: 'caller', retryable: false },
  /** The server takes a key of each user's own, and this one has handed over none. */
  USER_KEY_MISSING: { blame: 'caller', retryable: false },
  /** The server declares variables that each user sets, and this one has not set them all. */
  USER_VARIABLES_MISSING: { blame: 'caller', retryable: false },
  UPSTREAM_CREDENTIAL_REJECTED: { blame: 'upstream', retryable: false },
  UPSTREAM_TOKEN_UNAVAILABLE: { blame: 'operator', retryable: true },
  UPSTREAM_UNREACHABLE: { blame: 'upstream', retryable: true },
  UPSTREAM_TIMEOUT: { blame: 'upstream', retryable: true },
  UPSTREAM_BUSY: { blame: 'upstream', retryable: true },
  UPSTREAM_PROTOCOL: { blame: 'upstream', retryable: false },
  /** The upstream answered with a JSON-RPC error of its own; `upstream` carries it as it came. */
  UPSTREAM_ERROR: { blame: 'upstream', retryable: false },

  /** A limit of the key for a minute, or for requests at a time; `retryAfter` says when to come again. */
  RATE_LIMITED: { blame: 'caller', retryable: true },
  BUDGET_EXCEEDED: { blame: 'caller', retryable: false },

  /** A guardrail does not let the call, or its result, pass. */
  GUARDRAIL_DENIED: { blame: 'caller', retryable: false },
  /** It could not judge, and no call goes on without it. */
  GUARDRAIL_UNAVAILABLE: { blame: 'operator', retryable: true },

  MODEL_NOT_FOUND: { blame: 'caller', retryable: false },
  MODEL_NOT_ALLOWED: { blame: 'caller', retryable: false },
  /** The provider answered with an HTTP error of its own; `provider` carries it as it came. */
  PROVIDER_ERROR: { blame: 'upstream', retryable: false },
  PROVIDER_UNREACHABLE: { blame: 'upstream', retryable: true },
  PROVIDER_TIMEOUT: { blame: 'upstream', retryable: true },
  PROVIDER_PROTOCOL: { blame: 'upstream', retryable: false },

  /** What the operator gave (file, environment, secrets, address) does not let the gateway start. */
  CONFIGURATION_INVALID: { blame: 'operator', retryable: false },
  OVERLOADED: { blame: 'operator', retryable: true },
  SHUTTING_DOWN: { blame: 'operator', retryable: true },
  INTERNAL: { blame: 'operator', retryable: false },
} as const satisfies Record<string, { blame: Blame; retryable: boolean }>

export type ErrorCode = keyof typeof table

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(table, text)
}

/** Where in a call it failed; part of the public message of every upstream failure. */
export type UpstreamStage = 'credential' | 'connect' | 'handshake' | 'list' | 'call'

/** Facts an error carries beside its message. All of them may be shown to the caller. */
export interface ErrorDetails {
  readonly server?: string
  readonly stage?: UpstreamStage
  /** The JSON-RPC error of an upstream, relayed. */
  readonly upstream?: { readonly code: number; readonly message: string; readonly data?: unknown }
  /** The HTTP answer of an LLM provider, relayed. */
  readonly provider?: { readonly status: number; readonly body: unknown }
  /** The HTTP status with which an upstream refused a credential. */
  readonly upstream_status?: number
  /** `WWW-Authenticate` of an upstream that wants the caller to sign in. */
  readonly challenge?: string
  readonly [fact: string]: unknown
}

export interface GatewayErrorOptions {
  /** For the operator's log only. */
  readonly internal?: string
  readonly cause?: unknown
  readonly details?: ErrorDetails
}

/**
 * A failure with a code and a blame. `message` is written for the caller and may be sent to one; `internal` and
 * `cause` are for the log.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly internal: string | undefined
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, { internal, cause, details = {} }: GatewayErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.internal = internal
    this.details = details
  }

  get blame(): Blame {
    return table[this.code].blame
  }

  get retryable(): boolean {
    return table[this.code].retryable
  }
}

/**
 * Any thrown value as a {@link GatewayError}. What we did not throw ourselves becomes `INTERNAL`, and its text stays in
 * `cause`: an unknown message may hold anything.
 */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('INTERNAL', 'Internal error. The log of the gateway has the details under this request id.', {
    cause: error,
  })
}
