import { isJsonObject, type OutboundResponse, parseJsonObject, type Secret } from '@toolgate/core'
import { SessionExpired } from '../../upstream/connection.ts'
import { isNestedTooDeep } from '../../upstream/nesting.ts'
import { withoutSecrets } from '../../upstream/redact.ts'
import {
  busy,
  credentialRejected,
  type FailureFacts,
  type FailurePlace,
  outOfProtocol,
  unreachable,
  upstreamError,
} from '../../upstream/failure.ts'

/** Bytes of an error's body that are read to find a JSON-RPC error in it. */
const maxErrorBytes = 64 * 1024

/** Characters of an error's body that the operator's log gets to see. */
const maxLoggedLength = 1024

/** What a server asks for beyond it is taken as this. */
const maxRetryAfterSeconds = 86_400

/** Header name (lower-case) → value, for one request. */
export type CredentialHeaders = ReadonlyMap<string, Secret>

export interface RefusedRequest {
  readonly place: FailurePlace
  /** It named a session. */
  readonly sessionful: boolean
  /** What it presented, and what its address holds: kept out of log and answer. */
  readonly secrets: readonly Secret[]
}

/** What an HTTP status that is no success means for the request. Reads or discards the body; always an error. */
export async function refusalOf(
  response: OutboundResponse,
  { place, sessionful, secrets }: RefusedRequest,
): Promise<Error> {
  const { status } = response
  if (status === 401 || status === 403) {
    response.discard()
    const challenge = response.header('www-authenticate')
    return credentialRejected(place, { status, challenge: challenge && withoutSecrets(challenge, secrets) })
  }
  if (status === 404 && sessionful) {
    response.discard()
    return new SessionExpired(`MCP server "${place.server}" no longer knows the session.`)
  }
  const facts = { http_status: status, ...retryAfter(response) }
  const body = await bodyOf(response)
  const internal = withoutSecrets(body, secrets).slice(0, maxLoggedLength)
  if (status === 429) return busy(place, 'it answered with HTTP status 429', facts)
  // A gateway or proxy in front of it could not reach it, or it is not ready: not its word about this request.
  if (status === 502 || status === 503 || status === 504) {
    return unreachable(place, { why: `answered with HTTP status ${status}`, facts, internal })
  }
  const error = jsonRpcErrorIn(body)
  if (sessionful && status === 400 && speaksOfTheSession(error)) {
    return new SessionExpired(`MCP server "${place.server}" no longer knows the session.`)
  }
  if (error !== undefined) return upstreamError(place, error, secrets)
  return outOfProtocol(place, `HTTP status ${status}`, { facts, internal })
}

/** RFC 9110 §10.2.3: seconds, or a date, which is compared with the server's own clock. */
function retryAfter(response: OutboundResponse): FailureFacts {
  const said = response.header('retry-after')?.trim() ?? ''
  const seconds = /^\d+$/.test(said)
    ? Number(said)
    : Math.ceil((Date.parse(said) - Date.parse(response.header('date') ?? '')) / 1000)
  if (!(seconds >= 0)) return {}
  return { retry_after_seconds: Math.min(seconds, maxRetryAfterSeconds) }
}

async function bodyOf(response: OutboundResponse): Promise<string> {
  try {
    return await response.text(maxErrorBytes)
  } catch {
    // Too large, or cut: the status says enough.
    return ''
  }
}

/** The spec's answer is 404; widespread servers say 400 and a sentence. A 400 has processed nothing either. */
function speaksOfTheSession(error: unknown): boolean {
  return isJsonObject(error) && typeof error['message'] === 'string' && /\bsession\b/i.test(error['message'])
}

/** Undefined for error pages of proxies, too: the status says enough. */
function jsonRpcErrorIn(body: string): unknown {
  const parsed = parseJsonObject(body)
  return parsed?.['jsonrpc'] === '2.0' && !isNestedTooDeep(parsed, body.length) ? parsed['error'] : undefined
}
