import {
  classifyOutboundFailure,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type Secret,
  type UpstreamStage,
} from '@toolgate/core'
import { SessionExpired } from './connection.ts'
import { objectWithoutSecrets } from './redact.ts'

/** Where a failure happened, as every message and every error's details name it. */
export interface FailurePlace {
  /** The server's configured name. */
  readonly server: string
  readonly stage: UpstreamStage
}

/** Methods that enumerate are the `list` stage; what else is asked of an initialised server is a `call`. */
export function stageOf(method: string): UpstreamStage {
  if (method === 'initialize' || method === 'server/discover') return 'handshake'
  return method.endsWith('/list') ? 'list' : 'call'
}

const doing = {
  credential: 'obtaining its credential',
  connect: 'connecting',
  handshake: 'the MCP handshake',
  list: 'listing',
  call: 'the call',
} as const satisfies Record<UpstreamStage, string>

/** Nothing was heard for `ms`, or the whole took longer than that. */
export function timedOut({ server, stage }: FailurePlace, ms: number): GatewayError {
  return new GatewayError(
    'UPSTREAM_TIMEOUT',
    `MCP server "${server}" did not answer within ${Math.round(ms)} ms: ${doing[stage]}.`,
    {
      details: { server, stage },
    },
  )
}

/** Beside the message: what a caller may be told in figures, such as `retry_after_seconds`. */
export type FailureFacts = Readonly<Record<string, string | number>>

/** How a connection was lost. */
export interface Loss {
  /** Completes "MCP server … "; quotes nothing the upstream sent. */
  readonly why?: string
  readonly facts?: FailureFacts
  readonly cause?: unknown
  readonly internal?: string
}

/** The connection was refused, reset or lost. What the system said about it may name hosts, so it stays internal. */
export function unreachable(
  { server, stage }: FailurePlace,
  { why = 'cannot be reached', facts, ...rest }: Loss = {},
): GatewayError {
  return new GatewayError('UPSTREAM_UNREACHABLE', `MCP server "${server}" ${why}: ${doing[stage]} failed.`, {
    ...rest,
    details: { ...facts, server, stage },
  })
}

/** `what` completes "answered with …" and quotes nothing the upstream sent. */
export function outOfProtocol(
  { server, stage }: FailurePlace,
  what: string,
  { internal, cause, facts }: Omit<Loss, 'why'> = {},
): GatewayError {
  return new GatewayError(
    'UPSTREAM_PROTOCOL',
    `MCP server "${server}" answered with ${what}: ${doing[stage]} failed.`,
    {
      ...(internal !== undefined && { internal }),
      cause,
      details: { ...facts, server, stage },
    },
  )
}

/** HTTP 401 or 403, with the `WWW-Authenticate` that says how to sign in. */
export function credentialRejected(
  { server, stage }: FailurePlace,
  { status, challenge }: { status: number; challenge: string | undefined },
): GatewayError {
  return new GatewayError(
    'UPSTREAM_CREDENTIAL_REJECTED',
    `MCP server "${server}" refused the credential it was given (${status}).`,
    { details: { server, stage, upstream_status: status, ...(challenge !== undefined && { challenge }) } },
  )
}

/** The JSON-RPC error of an upstream, relayed as it came but for the credentials that the upstream was given. */
export function upstreamError(
  { server, stage }: FailurePlace,
  body: unknown,
  credentials: Iterable<Secret>,
): GatewayError {
  if (!isErrorBody(body)) return outOfProtocol({ server, stage }, 'a malformed JSON-RPC error')
  return new GatewayError('UPSTREAM_ERROR', `MCP server "${server}" answered with an error (${body.code}).`, {
    details: { server, stage, upstream: { ...body, ...objectWithoutSecrets(body, credentials) } },
  })
}

/** Too much at once, by our bounds or by its own word. */
export function busy({ server, stage }: FailurePlace, what: string, facts?: FailureFacts): GatewayError {
  return new GatewayError('UPSTREAM_BUSY', `MCP server "${server}" is busy: ${what}. Try again later.`, {
    details: { ...facts, server, stage },
  })
}

/** Who asked has gone. A reason of ours that says more (a deadline of the door) is passed on. */
export function cancelled({ server, stage }: FailurePlace, reason: unknown): GatewayError {
  if (reason instanceof GatewayError && reason.code !== 'CANCELLED') return reason
  return new GatewayError('CANCELLED', `The request to MCP server "${server}" was cancelled.`, {
    cause: reason,
    details: { server, stage },
  })
}

/**
 * What went wrong while talking to an upstream, as an error that names server and stage. A `GatewayError` that lacks them
 * (size, redirects) gains them; one that has them passes, and so does {@link SessionExpired}, which the spine acts on.
 */
export function outboundFailed(place: FailurePlace, error: unknown): Error {
  if (error instanceof SessionExpired) return error
  if (error instanceof GatewayError) {
    if (error.details.server !== undefined) return error
    const message = `MCP server "${place.server}": ${error.message}`
    return new GatewayError(error.code, message, { cause: error, details: { ...error.details, ...place } })
  }
  if (isConnectTimeout(error)) {
    return new GatewayError('UPSTREAM_TIMEOUT', `MCP server "${place.server}" did not accept a connection in time.`, {
      cause: error,
      details: { server: place.server, stage: 'connect' },
    })
  }
  const stage = isConnectFailure(error) ? 'connect' : place.stage
  const failure = classifyOutboundFailure(error)
  if (failure === 'cancelled') return cancelled({ ...place, stage }, error)
  return unreachable({ ...place, stage }, { cause: error })
}

function isConnectTimeout(error: unknown): boolean {
  return codeOf(error) === 'UND_ERR_CONNECT_TIMEOUT'
}

const connectFailures = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** The connection was refused, or there is no way to such a host. */
function isConnectFailure(error: unknown): boolean {
  return connectFailures.has(codeOf(error) ?? '')
}

/** No socket came about: whatever was to be sent over it made no difference. */
export function isSocketFailure(error: unknown): boolean {
  return isConnectFailure(error) || isConnectTimeout(error)
}

/** The system's code of an error, where it has one: `ENOENT`, `ECONNREFUSED`, … */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function isErrorBody(body: unknown): body is JsonObject & { code: number; message: string } {
  return isJsonObject(body) && typeof body['code'] === 'number' && typeof body['message'] === 'string'
}
