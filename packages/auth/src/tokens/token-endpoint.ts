import {
  type Clock,
  type JsonObject,
  type JsonValue,
  type Outbound,
  parseJsonObject,
  randomId,
  Secret,
  startDeadline,
} from '@toolgate/core'
import { type AssertionKey, signAssertion } from './client-assertion.ts'

/**
 * One request for a token, the gateway's own (RFC 6749 §4.4) or in exchange for another, as two functions: asking, and judging the answer. Nothing of the answer but
 * the token itself, its lifetime and a registered error code ever leaves this file. It caches nothing and tries nothing twice.
 */

/** All that decides which token comes back. */
export interface ClientCredentialsGrant {
  readonly tokenUrl: string
  /** Whom an assertion is for: what the authorization server calls itself. Absent: the endpoint, as RFC 7523 §3 allows. */
  readonly assertionAudience?: string | undefined
  readonly clientId: string
  readonly client: ClientProof
  readonly scopes: readonly string[]
  readonly audience?: string | undefined
  /** RFC 8707 resource indicator. */
  readonly resource?: string | undefined
  /** Absent: the gateway asks for itself. */
  readonly subject?: Subject | undefined
}

/** Whose token another one is asked for with. */
export interface Subject {
  readonly token: Secret
  /** In which field of the form it goes. */
  readonly name: string
  /** What says which exchange is meant, `grant_type` included. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
  /** The codes with which an endpoint refuses this token, and not the client. */
  readonly refusedWith: ReadonlySet<string>
}

export const clientAuthMethods = ['client_secret_post', 'client_secret_basic', 'private_key_jwt'] as const

/** How the client shows that it is the one. */
export type ClientProof =
  | { readonly method: 'client_secret_post' | 'client_secret_basic'; readonly secret: Secret }
  | { readonly method: 'private_key_jwt'; readonly key: AssertionKey }

export interface AccessToken {
  readonly value: Secret
  /** Milliseconds; absent where the endpoint did not say. */
  readonly lifetimeMs: number | undefined
}

export interface TokenAnswer {
  readonly status: number
  readonly text: string
}

/** The endpoint answered, but not with a token. The message completes "the token endpoint …" and quotes nothing of the answer. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  /** The registered code, where it gave one. */
  readonly error: string | undefined

  constructor(
    message: string,
    { cause, error }: { readonly cause?: unknown; readonly error?: string | undefined } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.error = error
  }
}

const maxAnswerBytes = 64 * 1024

export interface TokenRequestOptions {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** Posts the grant. Rejects with whatever the transport failed with; `timeoutMs` bounds the whole exchange. */
export async function requestToken(
  grant: ClientCredentialsGrant,
  { outbound, clock, signal, timeoutMs }: TokenRequestOptions,
): Promise<TokenAnswer> {
  using deadline = startDeadline(clock, timeoutMs, signal)
  const form = tokenForm(grant)
  if (grant.client.method === 'private_key_jwt') {
    form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    form.set('client_assertion', await assertionFor(grant, grant.client.key, clock))
  }
  const response = await outbound.request({
    url: grant.tokenUrl,
    method: 'POST',
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(grant.client.method === 'client_secret_basic' && {
        authorization: basicClientAuth(grant.clientId, grant.client.secret),
      }),
    },
    body: form.toString(),
    signal: deadline.signal,
    headersTimeoutMs: timeoutMs,
    bodyTimeoutMs: timeoutMs,
  })
  return { status: response.status, text: await response.text(maxAnswerBytes) }
}

function tokenForm({ client, clientId, scopes, audience, resource, subject }: ClientCredentialsGrant) {
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  for (const [name, value] of subject?.parameters ?? []) form.set(name, value)
  if (subject !== undefined) form.set(subject.name, subject.token.reveal())
  if (client.method !== 'client_secret_basic') form.set('client_id', clientId)
  if (client.method === 'client_secret_post') form.set('client_secret', client.secret.reveal())
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  if (audience !== undefined) form.set('audience', audience)
  if (resource !== undefined) form.set('resource', resource)
  return form
}

async function assertionFor(
  { clientId, tokenUrl, assertionAudience = tokenUrl }: ClientCredentialsGrant,
  key: AssertionKey,
  clock: Clock,
): Promise<string> {
  try {
    return await signAssertion(key, { clientId, audience: assertionAudience, nowMs: clock.now(), newId: randomId })
  } catch (error) {
    const why = 'was not asked: client_private_key and client_assertion_signing_alg do not fit'
    throw new TokenRefused(why, { cause: error })
  }
}

/** RFC 6749 §2.3.1: both parts are form-encoded before they are joined. */
function basicClientAuth(clientId: string, secret: Secret): string {
  const pair = `${formEncoded(clientId)}:${formEncoded(secret.reveal())}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function formEncoded(value: string): string {
  return new URLSearchParams({ '': value }).toString().slice(1)
}

/** The token in an answer (RFC 6749 §5.1). Throws {@link TokenRefused} for everything that is not one. */
export function processTokenAnswer({ status, text }: TokenAnswer): AccessToken {
  const body = parseJsonObject(text)
  if (status < 200 || status > 299) {
    const error = registeredError(body)
    throw new TokenRefused(`answered with HTTP ${status}${error === undefined ? '' : ` (${error})`}`, { error })
  }
  if (body === undefined) throw new TokenRefused('did not answer with a JSON object')
  const { access_token: value, token_type: type, expires_in: expiresIn } = body
  if (typeof value !== 'string' || value === '') throw new TokenRefused('answered without an access_token')
  if (!headerSafe.test(value)) throw new TokenRefused('answered with an access_token that no header can carry')
  if (!isBearer(type)) throw new TokenRefused('answered with a token_type other than Bearer')
  return { value: new Secret(value), lifetimeMs: lifetimeMs(expiresIn) }
}

const headerSafe = /^[\x21-\x7e]+$/

/** RFC 6749 §5.2, RFC 6750 §3.1, RFC 8707 §2, and OpenID Connect Core 1.0 §3.1.2.6. Any other text could be anything, so it is not repeated. */
const registeredErrors = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
  'invalid_token',
  'interaction_required',
])

function registeredError(body: JsonObject | undefined): string | undefined {
  const error = body?.['error']
  return typeof error === 'string' && registeredErrors.has(error) ? error : undefined
}

/** `token_type` is required by RFC 6749 §5.1, yet some endpoints leave it out and always mean Bearer. */
function isBearer(type: JsonValue | undefined): boolean {
  return type === undefined || type === null || (typeof type === 'string' && type.toLowerCase() === 'bearer')
}

/** Some endpoints send the seconds as a string. */
function lifetimeMs(expiresIn: JsonValue | undefined): number | undefined {
  if (expiresIn === undefined || expiresIn === null) return undefined
  const seconds = typeof expiresIn === 'string' && decimal.test(expiresIn) ? Number(expiresIn) : expiresIn
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) {
    throw new TokenRefused('answered with an expires_in that is no number of seconds')
  }
  return seconds * 1000
}

const decimal = /^\d+(\.\d+)?$/
