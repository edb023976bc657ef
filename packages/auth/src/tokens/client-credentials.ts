import { createHash } from 'node:crypto'
import {
  type Clock,
  classifyOutboundFailure,
  createSingleFlight,
  GatewayError,
  type Outbound,
  type PresentedCredential,
  Secret,
  type ServerDefinition,
  sharedScope,
  systemClock,
} from '@toolgate/core'
import { LRUCache } from 'lru-cache'
import { type ClientCredentialsGrant, processTokenAnswer, requestToken, TokenRefused } from './token-endpoint.ts'

/**
 * The gateway's own access tokens (OAuth client credentials), shared by every server whose grant is the same in all
 * parts: endpoint, client, secret, method, scopes, audience, resource. A changed secret is another grant, so it never
 * meets a token of the former one. Failures are not kept: the next call asks again.
 */
export interface ClientCredentials {
  of(grant: ClientCredentialsGrant): TokenSource
}

/**
 * A live token for `server` as `Authorization: Bearer`. Rejects with `UPSTREAM_TOKEN_UNAVAILABLE` naming the server and the
 * token endpoint's host.
 */
export type TokenSource = (request: {
  readonly server: NamedServer
  readonly signal: AbortSignal
}) => Promise<PresentedCredential>

type NamedServer = Pick<ServerDefinition, 'name'>

/** Milliseconds, except `maxTokens`. The defaults are LiteLLM's `MCP_OAUTH2_TOKEN_*`. */
export interface TokenTuning {
  /** For answers without `expires_in`. */
  readonly defaultTtlMs: number
  /** A short-lived token is kept at least this long, but never beyond its own life. */
  readonly minTtlMs: number
  /** How long before its end a token is no longer used. */
  readonly expiryBufferMs: number
  readonly maxTokens: number
  readonly requestTimeoutMs: number
}

export const defaultTokenTuning: TokenTuning = {
  defaultTtlMs: 3_600_000,
  minTtlMs: 10_000,
  expiryBufferMs: 60_000,
  maxTokens: 200,
  requestTimeoutMs: 10_000,
}

/**
 * An upstream that refuses every token must not turn each call into a token request: within this time of one
 * replacement there is no other.
 */
const replacementPauseMs = 10_000

export interface ClientCredentialsOptions {
  readonly outbound: Outbound
  readonly clock?: Clock
  readonly tuning?: Partial<TokenTuning>
}

/** A token as it is sent; each has its own object, so that two can be told apart without looking inside. */
type TokenHeaders = ReadonlyMap<string, Secret>

interface KeptToken {
  /** Absent from a refusal until its replacement came. */
  readonly headers: TokenHeaders | undefined
  readonly usableUntilMs: number
  readonly refusedAtMs: number
}

/** Makes the one token cache of the process. */
export function createClientCredentials(options: ClientCredentialsOptions): ClientCredentials {
  const { outbound, clock = systemClock } = options
  const tuning = { ...defaultTokenTuning, ...options.tuning }
  const kept = new LRUCache<string, KeptToken>({ max: tuning.maxTokens })
  const singleFlight = createSingleFlight<TokenHeaders>()

  const mint = async (key: string, grant: ClientCredentialsGrant, signal: AbortSignal): Promise<TokenHeaders> => {
    // The token's life starts no later than the answer; counting from the request errs on the safe side.
    const askedAtMs = clock.monotonic()
    const answer = await requestToken(grant, { outbound, clock, signal, timeoutMs: tuning.requestTimeoutMs })
    const { value, lifetimeMs } = processTokenAnswer(answer)
    const headers = new Map([['authorization', new Secret(`Bearer ${value.reveal()}`)]])
    const usableUntilMs = askedAtMs + timeToLiveMs(lifetimeMs, tuning)
    kept.set(key, { headers, usableUntilMs, refusedAtMs: kept.get(key)?.refusedAtMs ?? Number.NEGATIVE_INFINITY })
    return headers
  }

  const obtain = async (key: string, grant: ClientCredentialsGrant, signal: AbortSignal): Promise<TokenHeaders> => {
    const current = kept.get(key)
    if (current?.headers !== undefined && clock.monotonic() < current.usableUntilMs) return current.headers
    return singleFlight(key, signal, (flightSignal) => mint(key, grant, flightSignal))
  }

  const reject = (key: string, headers: TokenHeaders): boolean => {
    const current = kept.get(key)
    // Another call was refused first: a replacement is there or on its way.
    if (current?.headers !== headers) return true
    const now = clock.monotonic()
    if (now - current.refusedAtMs < replacementPauseMs) return false
    kept.set(key, { headers: undefined, usableUntilMs: 0, refusedAtMs: now })
    return true
  }

  return {
    of(grant) {
      const key = grantKey(grant)
      return async ({ server, signal }) => {
        try {
          const headers = await obtain(key, grant, signal)
          return { type: 'client_credentials', scope: sharedScope, headers, rejected: () => reject(key, headers) }
        } catch (error) {
          if (signal.aborted) throw interrupted(server, signal)
          throw tokenUnavailable({ server, grant, error, tuning })
        }
      }
    },
  }
}

/** The secret is in the key only as part of a digest, so that the key may sit in a heap dump's strings. */
function grantKey(grant: ClientCredentialsGrant): string {
  const { tokenUrl, clientId, clientSecret, authMethod, scopes, audience, resource } = grant
  const parts = [tokenUrl, clientId, authMethod, scopes, audience ?? null, resource ?? null, clientSecret.reveal()]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

function timeToLiveMs(lifetimeMs: number | undefined, tuning: TokenTuning): number {
  if (lifetimeMs === undefined) return tuning.defaultTtlMs
  return Math.min(lifetimeMs, Math.max(lifetimeMs - tuning.expiryBufferMs, tuning.minTtlMs))
}

function interrupted({ name }: NamedServer, { reason }: AbortSignal): GatewayError {
  if (reason instanceof GatewayError) return reason
  const timedOut = classifyOutboundFailure(reason) === 'timeout'
  return new GatewayError(
    timedOut ? 'UPSTREAM_TIMEOUT' : 'CANCELLED',
    `The request ${timedOut ? 'ran out of time' : 'was cancelled'} while server "${name}" waited for an access token.`,
    { cause: reason, details: { server: name, stage: 'credential' } },
  )
}

function tokenUnavailable({
  server: { name },
  grant,
  error,
  tuning,
}: {
  server: NamedServer
  grant: ClientCredentialsGrant
  error: unknown
  tuning: TokenTuning
}): GatewayError {
  const { host } = new URL(grant.tokenUrl)
  return new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `No access token for server "${name}": the token endpoint at ${host} ${whatHappened(error, tuning)}. ` +
      `Check token_url, client_id, client_secret and scopes of this server.`,
    { cause: error, details: { server: name, stage: 'credential' } },
  )
}

function whatHappened(error: unknown, { requestTimeoutMs }: TokenTuning): string {
  if (error instanceof TokenRefused) return error.message
  // From the outbound client: a redirect to elsewhere, or an answer beyond the bound.
  if (error instanceof GatewayError) return `gave no usable answer (${error.message.replace(/\.$/, '')})`
  if (classifyOutboundFailure(error) === 'timeout') return `did not answer within ${requestTimeoutMs / 1000} s`
  return 'could not be reached'
}
