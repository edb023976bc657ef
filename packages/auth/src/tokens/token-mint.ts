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
  systemClock,
} from '@toolgate/core'
import { decodeJwt } from 'jose'
import { LRUCache } from 'lru-cache'
import { discoverTokenEndpoint, NotDiscovered, type TokenEndpoint } from './token-endpoint-discovery.ts'
import {
  type ClientCredentialsGrant,
  type ClientProof,
  processTokenAnswer,
  requestToken,
  type Subject,
  TokenRefused,
} from './token-endpoint.ts'

/**
 * Access tokens that the gateway asks for, kept by everything they were asked for with: endpoint, client, secret, method, scopes,
 * audience, resource, and whose token they were exchanged for. A changed secret is another grant, so it never meets a token of the
 * former one. Any number of first calls make one request. Failures are not kept: the next call asks again.
 */
export interface TokenMint {
  /**
   * A live token for `server` as `Authorization: Bearer`. Rejects with `UPSTREAM_TOKEN_UNAVAILABLE` naming the server and the
   * token endpoint's host, and with `UPSTREAM_SIGN_IN_REQUIRED` where the token of a caller was refused.
   */
  token(grant: DeclaredGrant, request: TokenWanted): Promise<MintedToken>
}

export interface TokenWanted {
  readonly server: NamedServer
  readonly signal: AbortSignal
  /** Whose token the new one is exchanged for; absent: it is the gateway's own. */
  readonly subject?: Subject | undefined
}

export type MintedToken = Pick<PresentedCredential, 'headers' | 'rejected'>

/** A grant as a server declares it: where there is no token endpoint, it is found out. */
export interface DeclaredGrant extends Omit<ClientCredentialsGrant, 'tokenUrl' | 'assertionAudience'> {
  readonly tokenUrl: string | undefined
  /** The authorization server, where the operator names it. */
  readonly issuer?: string | undefined
}

export type NamedServer = Pick<ServerDefinition, 'name' | 'address'>

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

/** Milliseconds for which a discovered token endpoint is kept; LiteLLM's five minutes. */
const discoveryTtlMs = 300_000

/** Discovered token endpoints that are kept. */
const maxDiscovered = 200

export interface TokenMintOptions {
  readonly outbound: Outbound
  /** For addresses that the operator did not name. */
  readonly guardedOutbound?: Outbound
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

export function createTokenMint(options: TokenMintOptions): TokenMint {
  const { outbound, guardedOutbound = outbound, clock = systemClock } = options
  const tuning = { ...defaultTokenTuning, ...options.tuning }
  const kept = new LRUCache<string, KeptToken>({ max: tuning.maxTokens })
  const singleFlight = createSingleFlight<TokenHeaders>()
  const endpointOf = createEndpointFinder({ outbound, guardedOutbound, clock, timeoutMs: tuning.requestTimeoutMs })

  const mint = async (key: string, asked: AskedGrant, signal: AbortSignal): Promise<TokenHeaders> => {
    const { tokenUrl, issuer, resource, ...found } = await endpointOf(asked, signal)
    const { subject } = asked
    const grant = {
      ...asked.grant,
      tokenUrl,
      assertionAudience: issuer,
      resource: asked.grant.resource ?? resource,
      subject,
    }
    // The token's life starts no later than the answer; counting from the request errs on the safe side.
    const askedAtMs = clock.monotonic()
    const bounds = { outbound: found.outbound, clock, signal, timeoutMs: tuning.requestTimeoutMs }
    const answer = await requestToken(grant, bounds)
    const { value, lifetimeMs } = processTokenAnswer(answer)
    const headers = new Map([['authorization', new Secret(`Bearer ${value.reveal()}`)]])
    const usableUntilMs = askedAtMs + Math.min(timeToLiveMs(lifetimeMs, tuning), subjectLifeMs(subject, clock))
    kept.set(key, { headers, usableUntilMs, refusedAtMs: kept.get(key)?.refusedAtMs ?? Number.NEGATIVE_INFINITY })
    return headers
  }

  const obtain = async (key: string, asked: AskedGrant, signal: AbortSignal): Promise<TokenHeaders> => {
    const current = kept.get(key)
    if (current?.headers !== undefined && clock.monotonic() < current.usableUntilMs) return current.headers
    return singleFlight(key, signal, (flightSignal) => mint(key, asked, flightSignal))
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
    async token(grant, { server, signal, subject }) {
      const key = grantKey(grant, { address: grant.tokenUrl === undefined ? server.address : null, subject })
      try {
        const headers = await obtain(key, { grant, subject, address: server.address }, signal)
        return { headers, rejected: () => reject(key, headers) }
      } catch (error) {
        if (signal.aborted) throw interrupted(server, signal)
        if (subject !== undefined && error instanceof TokenRefused && subject.refusedWith.has(error.error ?? '')) {
          throw subjectRefused(server, error)
        }
        throw tokenUnavailable({ server, grant, error, tuning })
      }
    },
  }
}

/** A grant, and the server for which its endpoint may have to be found. */
interface AskedGrant {
  readonly grant: DeclaredGrant
  readonly subject: Subject | undefined
  readonly address: string
}

/** Where to ask for a token: what the operator says, else what is found out, kept for a while. */
function createEndpointFinder(options: Required<DiscoveryWays>) {
  const found = new LRUCache<string, { endpoint: TokenEndpoint; untilMs: number }>({ max: maxDiscovered })
  return async ({ grant, subject, address }: AskedGrant, signal: AbortSignal): Promise<TokenEndpoint> => {
    const { tokenUrl, issuer, client } = grant
    if (tokenUrl !== undefined) return { tokenUrl, issuer: undefined, resource: undefined, outbound: options.outbound }
    const secret = client.method === 'private_key_jwt' ? undefined : 'a client secret'
    const sends = subject === undefined ? secret : 'a token of a caller'
    const key = JSON.stringify([address, issuer ?? null, sends ?? null])
    const known = found.get(key)
    if (known !== undefined && options.clock.monotonic() < known.untilMs) return known.endpoint
    if (!/^https?:/.test(address)) throw new NotDiscovered('cannot be found: the server has no http or https address')
    const endpoint = await discoverTokenEndpoint({ resource: address, issuer, sends, signal }, options)
    found.set(key, { endpoint, untilMs: options.clock.monotonic() + discoveryTtlMs })
    return endpoint
  }
}

interface DiscoveryWays {
  readonly outbound: Outbound
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly timeoutMs: number
}

/**
 * The secret is in the key only as part of a digest, so that the key may sit in a heap dump's strings. `address`: of the
 * server, where the endpoint is found out from it.
 */
function grantKey(
  grant: DeclaredGrant,
  { address, subject }: { readonly address: string | null; readonly subject: Subject | undefined },
): string {
  const { tokenUrl, issuer, clientId, client, scopes, audience, resource } = grant
  const places = [tokenUrl ?? null, issuer ?? null, address]
  const parts = [places, clientId, proofKey(client), scopes, audience ?? null, resource ?? null, subjectKey(subject)]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

function subjectKey(subject: Subject | undefined): readonly string[] {
  return subject === undefined ? [] : [subject.token.reveal(), ...subject.parameters.flat()]
}

function proofKey(client: ClientProof): readonly (string | null)[] {
  if (client.method !== 'private_key_jwt') return [client.method, client.secret.reveal()]
  const { privateKey, keyId, algorithm } = client.key
  return [client.method, privateKey.reveal(), keyId ?? null, algorithm ?? null]
}

function timeToLiveMs(lifetimeMs: number | undefined, tuning: TokenTuning): number {
  if (lifetimeMs === undefined) return tuning.defaultTtlMs
  return Math.min(lifetimeMs, Math.max(lifetimeMs - tuning.expiryBufferMs, tuning.minTtlMs))
}

/** What was exchanged goes no further than what it was exchanged for, as far as that says when it ends. Says nothing else of it. */
function subjectLifeMs(subject: Subject | undefined, clock: Clock): number {
  if (subject === undefined) return Infinity
  try {
    const { exp } = decodeJwt(subject.token.reveal())
    return exp === undefined ? Infinity : exp * 1000 - clock.now()
  } catch {
    // Opaque: only its issuer knows.
    return Infinity
  }
}

function subjectRefused({ name }: NamedServer, cause: TokenRefused): GatewayError {
  return new GatewayError(
    'UPSTREAM_SIGN_IN_REQUIRED',
    `Server "${name}" is asked with a token that is exchanged for yours, and yours was refused. Sign in again where you got it. ` +
      'Where that does not help, whoever runs the gateway has to look at the exchange.',
    { cause, internal: `the token endpoint ${cause.message}`, details: { server: name, stage: 'credential' } },
  )
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
  grant: DeclaredGrant
  error: unknown
  tuning: TokenTuning
}): GatewayError {
  const endpoint = grant.tokenUrl === undefined ? '' : ` at ${new URL(grant.tokenUrl).host}`
  const why =
    error instanceof NotDiscovered
      ? `its token endpoint ${error.message}. Set token_url or issuer`
      : `the token endpoint${endpoint} ${whatHappened(error, tuning)}. Check ${settingsOf(grant)} and scopes`
  return new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `No access token for server "${name}": ${why} of this server.`,
    {
      cause: error,
      details: { server: name, stage: 'credential' },
    },
  )
}

function settingsOf({ tokenUrl, client }: DeclaredGrant): string {
  const place = tokenUrl === undefined ? 'issuer' : 'token_url'
  return `${place}, client_id, ${client.method === 'private_key_jwt' ? 'client_private_key' : 'client_secret'}`
}

function whatHappened(error: unknown, { requestTimeoutMs }: TokenTuning): string {
  if (error instanceof TokenRefused) return error.message
  // From the outbound client: a redirect to elsewhere, or an answer beyond the bound.
  if (error instanceof GatewayError) return `gave no usable answer (${error.message.replace(/\.$/, '')})`
  if (classifyOutboundFailure(error) === 'timeout') return `did not answer within ${requestTimeoutMs / 1000} s`
  return 'could not be reached'
}
