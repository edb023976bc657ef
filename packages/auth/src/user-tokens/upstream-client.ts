/**
 * The gateway as a client of a server's authorization server, for one user: discovery, registration, PKCE, the exchange of a
 * code and of a refresh token, through the official SDK. What is not the operator's own address is dialled through the guard,
 * and every answer is bounded. Failures quote nothing that was sent or answered.
 */
import {
  exchangeAuthorization,
  type FetchLike,
  OAuthError,
  type OAuthTokens,
  refreshAuthorization,
  startAuthorization,
} from '@modelcontextprotocol/client'
import {
  type Clock,
  GatewayError,
  type Outbound,
  type OwnAddresses,
  type RegisteredClient,
  Secret,
  startDeadline,
} from '@toolgate/core'
import { boundedFetch } from '../bounded-fetch.ts'
import { withSaidFields } from './said-fields.ts'
import { clientFor, discover, requirePointed } from './sign-in-discovery.ts'
import { boundedLifetime } from './token-lifetime.ts'
import { revokeAt } from './token-revocation.ts'
import { clientNow, comparableIssuer, isOperators, keptParty, type TokenParty } from './token-party.ts'
import { type LastRequest, unavailable } from './upstream-failure.ts'

/** What an operator says of a server whose users sign in. */
export interface UserTokenClient {
  readonly clientId: string | undefined
  readonly clientSecret: Secret | undefined
  readonly issuer: string | undefined
  readonly authorizationUrl: string | undefined
  readonly tokenUrl: string | undefined
  readonly scopes: readonly string[]
  readonly resource: string | undefined
  /** The operator registered it with a callback of this server alone. */
  readonly ownCallback: boolean
}

/** As whoever sends browsers there must know it. */
export function registeredClient({
  clientId,
  ownCallback,
  issuer,
  authorizationUrl,
}: UserTokenClient): RegisteredClient {
  return { ownCallback: ownCallback || clientId === undefined, authorizationServer: issuer ?? authorizationUrl }
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

/** Where a browser comes back to, and what is to be asked for beside what the server says, unless the operator says it all. */
export interface AskedSignIn extends OwnAddresses {
  readonly scopes?: readonly string[]
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

export interface AskedParty {
  readonly at: SignInAt
  readonly party: TokenParty
}

const timeoutMs = 10_000
const maxBytes = 256 * 1024

export interface UpstreamClient {
  start(at: SignInAt, asked: AskedSignIn, signal: AbortSignal): Promise<SignInStart>
  finish(
    answer: {
      readonly code: string
      readonly iss: string | undefined
      readonly verifier: string
      readonly redirectUri: string
    },
    from: AskedParty,
    signal: AbortSignal,
    /** Undefined where the code was refused. */
  ): Promise<ReceivedTokens | undefined>
  /** Undefined where the refresh token was refused: then a person must sign in again. */
  refresh(token: Secret, from: AskedParty, signal: AbortSignal): Promise<ReceivedTokens | undefined>
  /** Ends a refresh token there. False where no token can be taken back. */
  revoke(token: Secret, from: AskedParty, signal: AbortSignal): Promise<boolean>
  /** For tokens that the gateway did not ask for itself. */
  partyOf(at: SignInAt, signal: AbortSignal): Promise<TokenParty | undefined>
}

export function createUpstreamClient(options: UpstreamClientOptions): UpstreamClient {
  const within = async <Result>(at: SignInAt, signal: AbortSignal, work: (fetchFn: FetchLike) => Promise<Result>) => {
    using deadline = startDeadline(options.clock, timeoutMs, signal)
    const last: LastRequest = {}
    try {
      return await work(fetchFor(at, options, { signal: deadline.signal, last }))
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof GatewayError) throw error
      throw unavailable(at, error, last)
    }
  }

  return {
    start: (at, asked, signal) => within(at, signal, (fetchFn) => startAt(at, asked, fetchFn)),
    finish: ({ code, verifier, redirectUri, ...answer }, { at, party }, signal) =>
      within(at, signal, async (fetchFn) => {
        const iss = comparableIssuer(answer.iss, party)
        // RFC 9207: with `iss` the SDK refuses the answer of another authorization server, and one without where it is announced.
        const exchange = {
          authorizationCode: code,
          codeVerifier: verifier,
          redirectUri,
          ...(iss !== undefined && { iss }),
        }
        return unlessRefused({ at, party }, async () =>
          received(await exchangeAuthorization(party.issuer, { ...shared({ at, party }, fetchFn), ...exchange })),
        )
      }),
    refresh: (token, from, signal) => within(from.at, signal, (fetchFn) => refreshAt(from, token, fetchFn)),
    revoke: (token, from, signal) => within(from.at, signal, (fetchFn) => revokeAt(from, token, fetchFn)),
    partyOf: (at, signal) =>
      within(at, signal, async (fetchFn) => {
        const { clientId } = at.client
        if (clientId === undefined) return undefined
        const { metadata, issuer, issuerIsGuessed, resource } = await discover(at, fetchFn)
        return { issuer, issuerIsGuessed, metadata, resource, client: { client_id: clientId } }
      }),
  }
}

async function startAt(
  at: SignInAt,
  { scopes: more = [], ...own }: AskedSignIn,
  fetchFn: FetchLike,
): Promise<SignInStart> {
  const { registrationUrl, readsDocuments, scopes, ...found } = await discover(at, fetchFn)
  const { metadata, issuer, resource } = found
  const scope = (at.client.scopes.length > 0 ? at.client.scopes : [...new Set([...scopes, ...more])]).join(' ')
  const client = await clientFor(at, { issuer, metadata, registrationUrl, readsDocuments, fetchFn, own })
  const { authorizationUrl, codeVerifier } = await startAuthorization(issuer, {
    metadata,
    clientInformation: client,
    redirectUrl: own.redirectUri,
    ...(scope !== '' && { scope }),
    ...(resource !== undefined && { resource }),
  })
  const party = keptParty({ ...found, client }, at.client)
  return { party, url: authorizationUrl.href, verifier: codeVerifier }
}

async function refreshAt(from: AskedParty, token: Secret, fetchFn: FetchLike): Promise<ReceivedTokens | undefined> {
  return unlessRefused(from, async () => {
    const asked = { ...shared(from, fetchFn), refreshToken: token.reveal() }
    const tokens = received(await refreshAuthorization(from.party.issuer, asked))
    // RFC 6749 §6: without a new one the former goes on.
    return { ...tokens, refresh: tokens.refresh ?? token }
  })
}

/** What the server says of the code or the token itself; anything else may pass. */
async function unlessRefused(
  { at, party }: AskedParty,
  work: () => Promise<ReceivedTokens>,
): Promise<ReceivedTokens | undefined> {
  try {
    return await work()
  } catch (error) {
    const final = isOperators(party, at.client) ? ofTheGrant : ofGrantOrClient
    if (error instanceof OAuthError && final.has(error.code)) return undefined
    throw error
  }
}

/** A client that the operator registered is the operator's to mend: no user helps by signing in again. */
const ofTheGrant: ReadonlySet<string> = new Set([
  'invalid_grant',
  // GitHub's words for it, and Slack's.
  'bad_refresh_token',
  'bad_verification_code',
  'invalid_refresh_token',
])
const ofGrantOrClient: ReadonlySet<string> = new Set([...ofTheGrant, 'invalid_client', 'unauthorized_client'])

function shared({ at, party }: AskedParty, fetchFn: FetchLike) {
  const { metadata, issuer, resource } = party
  const clientInformation = clientNow(party, at.client)
  if (isOperators(party, at.client)) requirePointed(at, issuer)
  return { metadata, clientInformation, fetchFn, ...(resource !== undefined && { resource }) }
}

/** Registered types that count only with a proof beside them. Other words than Bearer are some servers' own for it. */
const withProof: ReadonlySet<string> = new Set(['dpop', 'mac', 'pop'])
/** RFC 6749 §3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/

function received({ access_token, refresh_token, expires_in, scope, token_type }: OAuthTokens): ReceivedTokens {
  // It becomes a header.
  if (!/^[\x21-\x7e]+$/.test(access_token)) throw new Error('the access token is one that no header can carry')
  // RFC 6749 §7.1.
  if (withProof.has(token_type.toLowerCase())) throw new Error('the access token is none that a bearer may present')
  return {
    access: new Secret(access_token),
    refresh: refresh_token === undefined ? undefined : new Secret(refresh_token),
    lifetimeMs: boundedLifetime(expires_in === undefined ? undefined : expires_in * 1000),
    scopes: scope?.split(' ').filter((word) => scopeToken.test(word)),
  }
}

/** The operator's own addresses are trusted; where a server says to go, the guard decides. */
function fetchFor(
  { address, client }: SignInAt,
  { outbound, guardedOutbound }: UpstreamClientOptions,
  { signal, last }: { readonly signal: AbortSignal; readonly last: LastRequest },
): FetchLike {
  const named = [address, client.issuer, client.authorizationUrl, client.tokenUrl]
  const own = new Set(named.flatMap((url) => (url === undefined ? [] : [new URL(url).origin])))
  const wayTo = (url: string) => (own.has(new URL(url).origin) ? outbound : guardedOutbound)
  const bounded = boundedFetch({ wayTo, signal, maxBytes })
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    last.host = URL.parse(url)?.host ?? 'no address'
    delete last.status
    const response = await bounded(url, init)
    last.status = response.status
    return init?.method === 'POST' && response.body !== null ? withWhatIsSaid(response) : response
  }
}

async function withWhatIsSaid(response: Response): Promise<Response> {
  const { status, headers } = response
  return new Response(withSaidFields(await response.text()), { status, headers })
}
