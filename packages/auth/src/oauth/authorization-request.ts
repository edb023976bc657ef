/**
 * The request that a client sends a browser with (RFC 6749 §4.1.1, RFC 7636, RFC 8707). A mistake in who asks and where the
 * answer goes is thrown, for a page: nobody is sent to an address that was not checked. Every other one is the client's to
 * hear, at that address.
 */
import { type GatewayError, toGatewayError } from '@toolgate/core'
import type { Asker, OauthClient, OauthClients } from './clients.ts'
import { oauthError, type OauthErrorCode } from './oauth-error.ts'
import { isRegistered } from './redirect-uris.ts'

export interface AuthorizationRequest {
  readonly client: OauthClient
  readonly redirectUri: string
  readonly state: string | undefined
  readonly codeChallenge: string
  /** The MCP endpoint that the tokens will be for. */
  readonly audience: string
}

/** What is wrong with a request whose client and redirect address are good. */
export interface RefusedRequest {
  readonly client: OauthClient
  readonly redirectUri: string
  readonly state: string | undefined
  readonly refusal: GatewayError
}

export interface AuthorizationContext {
  readonly clients: Pick<OauthClients, 'find'>
  readonly trusts: (redirectUri: string) => boolean
  /** The endpoint that a `resource` means; undefined where it is none of the gateway. Without one, that of the issuer. */
  readonly audienceOf: (resource: string | undefined) => string | undefined
}

/** What a client may send and get back. */
const longestState = 4_096

export async function readAuthorizationRequest(
  parameters: URLSearchParams,
  { clients, trusts, audienceOf }: AuthorizationContext,
  asker: Asker,
): Promise<AuthorizationRequest | RefusedRequest> {
  const clientId = single(parameters, 'client_id')
  if (clientId === undefined) throw oauthError('invalid_request', 'The request names no client (client_id).')
  const client = await clients.find(clientId, asker)
  const redirectUri = redirectOf(parameters, client, trusts)
  const state = parameters.get('state') ?? undefined
  const place = { client, redirectUri, state }
  try {
    return { ...place, ...readRest(parameters, audienceOf) }
  } catch (error) {
    return { ...place, refusal: toGatewayError(error) }
  }
}

function redirectOf(parameters: URLSearchParams, client: OauthClient, trusts: (uri: string) => boolean): string {
  const { redirectUris } = client
  const asked = single(parameters, 'redirect_uri')
  const [only, ...others] = redirectUris
  const redirectUri = asked ?? (others.length === 0 ? only : undefined)
  if (redirectUri === undefined) throw oauthError('invalid_request', 'The request does not say where to go afterwards.')
  if (!isRegistered(redirectUri, redirectUris)) {
    throw oauthError('invalid_request', 'The redirect address of the request is none that the client registered.')
  }
  if (!trusts(redirectUri)) {
    throw oauthError(
      'invalid_request',
      'The redirect address of the request is not trusted here. The operator can add its origin to MCP_TRUSTED_REDIRECT_ORIGINS, or the address of an application to MCP_TRUSTED_NATIVE_REDIRECT_URIS.',
    )
  }
  return redirectUri
}

function readRest(
  parameters: URLSearchParams,
  audienceOf: AuthorizationContext['audienceOf'],
): Pick<AuthorizationRequest, 'codeChallenge' | 'audience'> {
  const state = single(parameters, 'state')
  if ((state?.length ?? 0) > longestState) throw oauthError('invalid_request', '"state" is too long.')
  if (single(parameters, 'response_type') !== 'code') {
    throw oauthError('unsupported_response_type', '"response_type" must be "code".')
  }
  // OAuth 2.1 §7.5.2: a challenge in plain text is one that everybody on the way can answer.
  if (single(parameters, 'code_challenge_method') !== 'S256') {
    throw oauthError('invalid_request', 'PKCE is required: "code_challenge_method" must be "S256".')
  }
  const codeChallenge = single(parameters, 'code_challenge')
  if (codeChallenge === undefined || !/^[\w-]{43}$/.test(codeChallenge)) {
    throw oauthError('invalid_request', 'PKCE is required: "code_challenge" must be a SHA-256 in base64url.')
  }
  if (single(parameters, 'response_mode') !== undefined && parameters.get('response_mode') !== 'query') {
    throw oauthError('invalid_request', '"response_mode" must be "query".')
  }
  const audience = audienceOf(single(parameters, 'resource', 'invalid_target'))
  if (audience === undefined) throw oauthError('invalid_target', '"resource" is no MCP endpoint of this gateway.')
  return { codeChallenge, audience }
}

/** RFC 6749 §3.1: no parameter more than once, and an empty one is as good as none. */
export function single(
  parameters: URLSearchParams,
  name: string,
  error: OauthErrorCode = 'invalid_request',
): string | undefined {
  const [value, ...more] = parameters.getAll(name)
  if (more.length > 0) throw oauthError(error, `"${name}" must be there once.`)
  return value === '' ? undefined : value
}
