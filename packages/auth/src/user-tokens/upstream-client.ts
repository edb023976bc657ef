/**
 * The gateway as a client of a server's authorization server, for one user: discovery, registration, PKCE, the exchange of a
 * code and of a refresh token, through the official SDK. What is not the operator's own address is dialled through the guard,
 * and every answer is bounded. Failures quote nothing that was sent or answered.
 */
import {
  discoverAuthorizationServerMetadata,
  discoverOAuthServerInfo,
  exchangeAuthorization,
  type FetchLike,
  OAuthError,
  type OAuthTokens,
  refreshAuthorization,
  registerClient,
  startAuthorization,
} from '@modelcontextprotocol/client'
import { type Clock, GatewayError, type Outbound, Secret, startDeadline } from '@toolgate/core'
import { boundedFetch } from '../bounded-fetch.ts'
import { type TokenParty, tokenPartySchema } from './token-party.ts'

/** What an operator says of a server whose users sign in. */
export interface UserTokenClient {
  readonly clientId: string | undefined
  readonly clientSecret: Secret | undefined
  readonly issuer: string | undefined
  readonly authorizationUrl: string | undefined
  readonly tokenUrl: string | undefined
  readonly scopes: readonly string[]
  readonly resource: string | undefined
}

export interface ReceivedTokens {
  readonly access: Secret
  readonly refresh: Secret | undefined
  readonly lifetimeMs: number | undefined
  readonly scopes: readonly string[] | undefined
}

export interface SignInStart {
  readonly party: TokenParty
  readonly url: string
  readonly verifier: string
}

export interface UpstreamClientOptions {
  readonly outbound: Outbound
  readonly guardedOutbound: Outbound
  readonly clock: Clock
}

/** The server and what its operator says. */
export interface SignInAt {
  readonly name: string
  readonly address: string
  readonly client: UserTokenClient
}

const timeoutMs = 10_000
const maxBytes = 256 * 1024

export interface UpstreamClient {
  start(at: SignInAt, redirectUri: string, signal: AbortSignal): Promise<SignInStart>
  finish(
    answer: {
      readonly code: string
      readonly iss: string | undefined
      readonly verifier: string
      readonly redirectUri: string
    },
    from: { readonly at: SignInAt; readonly party: TokenParty },
    signal: AbortSignal,
    /** Undefined where the code was refused. */
  ): Promise<ReceivedTokens | undefined>
  /** Undefined where the refresh token was refused: then a person must sign in again. */
  refresh(
    token: Secret,
    from: { readonly at: SignInAt; readonly party: TokenParty },
    signal: AbortSignal,
  ): Promise<ReceivedTokens | undefined>
  /** For tokens that the gateway did not ask for itself. */
  partyOf(at: SignInAt, signal: AbortSignal): Promise<TokenParty | undefined>
}

export function createUpstreamClient(options: UpstreamClientOptions): UpstreamClient {
  const within = async <Result>(at: SignInAt, signal: AbortSignal, work: (fetchFn: FetchLike) => Promise<Result>) => {
    using deadline = startDeadline(options.clock, timeoutMs, signal)
    try {
      return await work(fetchFor(at, options, deadline.signal))
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof GatewayError) throw error
      throw unavailable(at, error)
    }
  }

  return {
    start: (at, redirectUri, signal) => within(at, signal, (fetchFn) => startAt(at, redirectUri, fetchFn)),
    finish: ({ code, iss, verifier, redirectUri }, { at, party }, signal) =>
      within(at, signal, async (fetchFn) => {
        // RFC 9207: with `iss` the SDK refuses the answer of another authorization server, and one without where it is announced.
        const exchange = {
          authorizationCode: code,
          codeVerifier: verifier,
          redirectUri,
          ...(iss !== undefined && { iss }),
        }
        return unlessRefused(async () =>
          received(await exchangeAuthorization(party.issuer, { ...shared(party, fetchFn), ...exchange })),
        )
      }),
    refresh: (token, { at, party }, signal) => within(at, signal, (fetchFn) => refreshAt(party, token, fetchFn)),
    partyOf: (at, signal) =>
      within(at, signal, async (fetchFn) => {
        const { clientId, clientSecret } = at.client
        if (clientId === undefined) return undefined
        const { metadata, issuer, resource } = await discover(at, fetchFn)
        return { issuer, metadata, resource, client: { client_id: clientId, client_secret: clientSecret?.reveal() } }
      }),
  }
}

async function startAt(at: SignInAt, redirectUri: string, fetchFn: FetchLike): Promise<SignInStart> {
  const { metadata, registrationUrl, issuer, resource, scopes } = await discover(at, fetchFn)
  const scope = (at.client.scopes.length > 0 ? at.client.scopes : scopes).join(' ')
  const client = await clientFor(at, { issuer, metadata, registrationUrl, fetchFn, redirectUri })
  const { authorizationUrl, codeVerifier } = await startAuthorization(issuer, {
    metadata,
    clientInformation: client,
    redirectUrl: redirectUri,
    ...(scope !== '' && { scope }),
    ...(resource !== undefined && { resource }),
  })
  return { party: { issuer, metadata, client, resource }, url: authorizationUrl.href, verifier: codeVerifier }
}

async function refreshAt(party: TokenParty, token: Secret, fetchFn: FetchLike): Promise<ReceivedTokens | undefined> {
  return unlessRefused(async () => {
    const refreshToken = token.reveal()
    const tokens = received(await refreshAuthorization(party.issuer, { ...shared(party, fetchFn), refreshToken }))
    // RFC 6749 §6: without a new one the former goes on.
    return { ...tokens, refresh: tokens.refresh ?? token }
  })
}

/** What the server says of the code or the token itself; anything else may pass. */
async function unlessRefused(work: () => Promise<ReceivedTokens>): Promise<ReceivedTokens | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof OAuthError && final.has(error.code)) return undefined
    throw error
  }
}

const final = new Set<string>(['invalid_grant', 'invalid_client', 'unauthorized_client'])

function shared({ metadata, client, resource }: TokenParty, fetchFn: FetchLike) {
  return { metadata, clientInformation: client, fetchFn, ...(resource !== undefined && { resource }) }
}

/** RFC 9728, then RFC 8414; what the operator wrote comes before what is found. */
async function discover({ address, client }: SignInAt, fetchFn: FetchLike) {
  const { issuer: named, authorizationUrl, tokenUrl } = client
  const found =
    named === undefined && (authorizationUrl === undefined || tokenUrl === undefined)
      ? await discoverOAuthServerInfo(address, { fetchFn })
      : undefined
  const resource = client.resource ?? resourceOf(address, found?.resourceMetadata?.resource)
  const issuer = named ?? found?.authorizationServerUrl ?? new URL(tokenUrl ?? address).origin
  const published =
    found?.authorizationServerMetadata ??
    (named === undefined ? undefined : await discoverAuthorizationServerMetadata(named, { fetchFn }))
  const metadata = tokenPartySchema.shape.metadata.parse({
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    issuer,
    authorization_endpoint: `${issuer.replace(/\/$/, '')}/authorize`,
    token_endpoint: `${issuer.replace(/\/$/, '')}/token`,
    ...published,
    ...(authorizationUrl !== undefined && { authorization_endpoint: authorizationUrl }),
    ...(tokenUrl !== undefined && { token_endpoint: tokenUrl }),
  })
  const registrationUrl = published?.registration_endpoint
  return { issuer, metadata, registrationUrl, resource, scopes: found?.resourceMetadata?.scopes_supported ?? [] }
}

/** A resource that speaks of another place is none of this server's (RFC 9728 §3.3). */
function resourceOf(address: string, said: string | undefined): string | undefined {
  if (said === undefined) return undefined
  const [above, below] = [URL.parse(said), new URL(address)]
  const path = above?.pathname.replace(/\/+$/, '') ?? ''
  if (above?.origin === below.origin && (below.pathname === path || below.pathname.startsWith(`${path}/`))) return said
  throw new Error('the metadata of the server speaks of another resource')
}

interface Registration {
  readonly issuer: string
  readonly metadata: TokenParty['metadata']
  readonly registrationUrl: string | undefined
  readonly fetchFn: FetchLike
  readonly redirectUri: string
}

/** The operator's client, else one that the gateway registers for this user and server alone. */
async function clientFor({ name, client }: SignInAt, registration: Registration): Promise<TokenParty['client']> {
  const { clientId, clientSecret } = client
  if (clientId !== undefined) return { client_id: clientId, client_secret: clientSecret?.reveal() }
  const { issuer, metadata, registrationUrl, fetchFn, redirectUri } = registration
  if (registrationUrl === undefined) {
    throw new GatewayError(
      'UPSTREAM_SIGN_IN_REQUIRED',
      `Server "${name}" lets no client register itself. An administrator must register one there and set client_id.`,
      { details: { server: name } },
    )
  }
  const { client_id, client_secret } = await registerClient(issuer, {
    metadata: { ...metadata, registration_endpoint: registrationUrl },
    fetchFn,
    clientMetadata: {
      client_name: 'toolgate',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
  })
  return { client_id, client_secret }
}

function received({ access_token, refresh_token, expires_in, scope }: OAuthTokens): ReceivedTokens {
  // It becomes a header.
  if (!/^[\x21-\x7e]+$/.test(access_token)) throw new Error('the access token is one that no header can carry')
  return {
    access: new Secret(access_token),
    refresh: refresh_token === undefined ? undefined : new Secret(refresh_token),
    lifetimeMs: expires_in === undefined ? undefined : expires_in * 1000,
    scopes: scope?.split(' ').filter((word) => word !== ''),
  }
}

/** The operator's own addresses are trusted; where a server says to go, the guard decides. */
function fetchFor(
  { address, client }: SignInAt,
  { outbound, guardedOutbound }: UpstreamClientOptions,
  signal: AbortSignal,
): FetchLike {
  const named = [address, client.issuer, client.authorizationUrl, client.tokenUrl]
  const own = new Set(named.flatMap((url) => (url === undefined ? [] : [new URL(url).origin])))
  const wayTo = (url: string) => (own.has(new URL(url).origin) ? outbound : guardedOutbound)
  const bounded = boundedFetch({ wayTo, signal, maxBytes })
  return (input, init) => bounded(input instanceof Request ? input.url : String(input), init)
}

function unavailable({ name }: SignInAt, cause: unknown): GatewayError {
  return new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `The authorization server of "${name}" gave no token. The log of the gateway says why.`,
    { cause, details: { server: name, stage: 'credential' } },
  )
}
