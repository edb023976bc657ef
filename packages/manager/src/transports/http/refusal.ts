import { isJsonObject, type OutboundResponse, type Secret } from '@toolgate/core'
import { SessionExpired } from '../../upstream/connection.ts'
import { withoutSecrets } from '../../upstream/redact.ts'
import { credentialRejected, type FailurePlace, outOfProtocol, upstreamError } from '../../upstream/failure.ts'

/** Bytes of an error's body that are read to find a JSON-RPC error in it. */
const maxErrorBytes = 64 * 1024

/** Characters of an error's body that the operator's log gets to see. */
const maxLoggedLength = 1024

/** Header name (lower-case) → value, for one request. */
export type CredentialHeaders = ReadonlyMap<string, Secret>

export interface RefusedRequest {
  readonly place: FailurePlace
  /** It named a session. */
  readonly sessionful: boolean
  /** What it presented, kept out of log and answer. */
  readonly credential: CredentialHeaders
}

/** What an HTTP status that is no success means for the request. Reads or discards the body; always an error. */
export async function refusalOf(
  response: OutboundResponse,
  { place, sessionful, credential }: RefusedRequest,
): Promise<Error> {
  const { status } = response
  if (status === 401 || status === 403) {
    response.discard()
    const challenge = response.header('www-authenticate')
    return credentialRejected(place, { status, challenge: challenge && withoutSecrets(challenge, credential.values()) })
  }
  if (status === 404 && sessionful) {
    response.discard()
    return new SessionExpired(`MCP server "${place.server}" no longer knows the session.`)
  }
  const body = await bodyOf(response)
  const error = jsonRpcErrorIn(body)
  if (sessionful && status === 400 && speaksOfTheSession(error)) {
    return new SessionExpired(`MCP server "${place.server}" no longer knows the session.`)
  }
  if (error !== undefined) return upstreamError(place, error, credential.values())
  return outOfProtocol(place, `HTTP status ${status}${hintFor(place, status)}`, {
    internal: withoutSecrets(body, credential.values()).slice(0, maxLoggedLength),
  })
}

async function bodyOf(response: OutboundResponse): Promise<string> {
  try {
    return await response.text(maxErrorBytes)
  } catch {
    // Too large, or cut: the status says enough.
    return ''
  }
}

function hintFor({ stage }: FailurePlace, status: number): string {
  if (stage !== 'handshake' || (status !== 404 && status !== 405)) return ''
  return ' (no MCP endpoint at this address, or a legacy SSE server: then set its transport to "sse")'
}

/** The spec's answer is 404; widespread servers say 400 and a sentence. A 400 has processed nothing either. */
function speaksOfTheSession(error: unknown): boolean {
  return isJsonObject(error) && typeof error['message'] === 'string' && /\bsession\b/i.test(error['message'])
}

function jsonRpcErrorIn(body: string): unknown {
  try {
    const parsed: unknown = JSON.parse(body)
    return isJsonObject(parsed) && parsed['jsonrpc'] === '2.0' ? parsed['error'] : undefined
  } catch {
    // Error pages of proxies are no JSON; the status says enough.
    return undefined
  }
}
