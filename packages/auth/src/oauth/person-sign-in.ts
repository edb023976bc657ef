/**
 * The gateway as a client of the company's OpenID provider: a person goes there and comes back with a code, for which the
 * provider says who it is. PKCE, `state`, `nonce` and `iss` bind the answer to the question; the id token is checked for its
 * signature too. Nothing of what the provider issues is kept, and none of it goes anywhere else.
 */
import { type Clock, GatewayError, type Outbound, type SignInLeg, startDeadline } from '@toolgate/core'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  AuthorizationResponseError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  type ClientAuth,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  ResponseBodyError,
  type ServerMetadata,
} from 'openid-client'
import type { SignedInPerson } from '@toolgate/db'
import { z } from 'zod'
import { boundedFetch } from '../bounded-fetch.ts'
import { wayToProvider } from '../provider-ways.ts'
import { personHash, personIn } from '../inbound/jwt/person.ts'
import type { Consenter } from './consenters.ts'
import { oauthError } from './oauth-error.ts'
import type { People } from './people.ts'
import type { PersonSignInSettings } from './person-settings.ts'

export interface PersonSignIn {
  /** What the provider is called; undefined where people do not sign in so. */
  label(): string | undefined
  /** Where to send the browser, which comes back to `redirectUri`. Rejects with `STORE_UNAVAILABLE` where the provider cannot be asked. */
  begin(redirectUri: string, signal: AbortSignal): Promise<SignInLeg>
  /**
   * The browser is back. Rejects with `access_denied` where the provider, or nobody here, lets this person in, and where the
   * answer is not the one to this question.
   */
  finish(answer: PersonSignInAnswer, signal: AbortSignal): Promise<Consenter>
}

export interface PersonSignInAnswer {
  /** The address that the browser came to, as the provider knows it. */
  readonly url: URL
  /** The `state` that was opened. */
  readonly state: string
  readonly kept: string
}

export interface PersonSignInOptions {
  readonly settings: () => PersonSignInSettings | undefined
  readonly people: People
  readonly outbound: Outbound
  /** For what the provider's metadata name elsewhere. */
  readonly guardedOutbound: Outbound
  readonly clock: Clock
}

/** Milliseconds for everything that one step asks of the provider. */
const stepMs = 10_000
/** Milliseconds for which the provider's metadata are kept. */
const metadataMs = 5 * 60_000
const maxAnswerBytes = 256 * 1024
/** Roles and scopes that are kept of a person; beyond them somebody is granted less, never more. */
const mostWords = 1_000

const keptSchema = z.object({ issuer: z.string(), verifier: z.string(), nonce: z.string() })

export function createPersonSignIn(options: PersonSignInOptions): PersonSignIn {
  const { people } = options
  const ask = createAsking(options)
  const inForce = (): PersonSignInSettings => {
    const settings = options.settings()
    if (settings !== undefined) return settings
    throw oauthError('invalid_request', 'People do not sign in at an identity provider here. Use a virtual key.')
  }

  return {
    label: () => options.settings()?.label,
    begin(redirectUri, signal) {
      const settings = inForce()
      return ask(settings, signal, async (provider) => {
        const [verifier, nonce] = [randomPKCECodeVerifier(), randomNonce()]
        const url = buildAuthorizationUrl(provider, {
          redirect_uri: redirectUri,
          scope: settings.scopes.join(' '),
          code_challenge: await calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          nonce,
        })
        return { url: url.href, kept: JSON.stringify({ issuer: settings.provider.issuer, verifier, nonce }) }
      })
    },
    async finish({ url, state, kept }, signal) {
      const settings = inForce()
      const { issuer, verifier, nonce } = keptSchema.parse(JSON.parse(kept))
      if (issuer !== settings.provider.issuer) throw notTheAnswer()
      const claims = await ask(settings, signal, async (provider) => {
        const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier }
        const tokens = await authorizationCodeGrant(provider, url, checks)
        const told = tokens.claims()
        if (told === undefined) throw notTheAnswer()
        if (provider.serverMetadata().userinfo_endpoint === undefined) return told
        // Many providers say there what they do not put into the token; what is signed comes first.
        return { ...(await fetchUserInfo(provider, tokens.access_token, told.sub)), ...told }
      })
      const person = asFarAsNamed(personIn(claims, settings.provider), settings)
      people.admit(person)
      return { keyHash: personHash(person), person }
    },
  }
}

/**
 * Roles and scopes that no mapping names decide nothing here. Somebody in hundreds of groups would not fit into the addresses that
 * the person travels in, sealed, and whoever is kept is kept with no more than is needed.
 */
function asFarAsNamed(person: SignedInPerson, { mappings }: PersonSignInSettings): SignedInPerson {
  const named = (claim: 'scope' | 'role', words: readonly string[]) => {
    const held = new Set(words)
    const values = mappings.flatMap((mapping) => (mapping.claim === claim ? [mapping.value] : []))
    return [...new Set(values.filter((value) => held.has(value)))].slice(0, mostWords)
  }
  return { ...person, roles: named('role', person.roles), scopes: named('scope', person.scopes) }
}

/** One step at the provider, within its time and with its errors in our words. */
function createAsking({ clock, ...ways }: PersonSignInOptions) {
  let known: { settings: PersonSignInSettings; metadata: ServerMetadata; readAt: number } | undefined

  return async <Result>(
    settings: PersonSignInSettings,
    signal: AbortSignal,
    work: (provider: Configuration) => Promise<Result>,
  ): Promise<Result> => {
    using deadline = startDeadline(clock, stepMs, signal)
    const wayTo = wayToProvider(settings.provider.issuer, ways)
    const fetchNow = boundedFetch({ wayTo, signal: deadline.signal, maxBytes: maxAnswerBytes })
    try {
      if (known?.settings !== settings || clock.monotonic() - known.readAt > metadataMs) {
        known = { settings, metadata: await discover(settings, fetchNow), readAt: clock.monotonic() }
      }
      const provider = configurationOf(settings, known.metadata)
      provider[customFetch] = fetchNow
      return await work(provider)
    } catch (error) {
      signal.throwIfAborted()
      throw signInFailure(error)
    }
  }
}

async function discover(
  { provider: { issuer }, clientId }: PersonSignInSettings,
  fetchNow: ReturnType<typeof boundedFetch>,
): Promise<ServerMetadata> {
  try {
    // OpenID Connect Discovery 1.0 §4.3: the library refuses metadata of another issuer.
    const found = await discovery(new URL(issuer), clientId, undefined, undefined, {
      [customFetch]: fetchNow,
      execute: issuer.startsWith('http:') ? [allowInsecureRequests] : [],
    })
    return found.serverMetadata()
  } catch (error) {
    throw providerAway(error)
  }
}

function configurationOf(settings: PersonSignInSettings, metadata: ServerMetadata): Configuration {
  const provider = new Configuration(metadata, settings.clientId, undefined, clientAuth(settings, metadata))
  enableNonRepudiationChecks(provider)
  // The operator's word: a provider on plain http is one on this machine, or a mistake that is said at start.
  if (settings.provider.issuer.startsWith('http:')) allowInsecureRequests(provider)
  return provider
}

function clientAuth(settings: PersonSignInSettings, metadata: ServerMetadata): ClientAuth {
  const { clientSecret, clientAuthentication } = settings
  if (clientSecret === undefined) return None()
  const { token_endpoint_auth_methods_supported: supported = ['client_secret_basic'] } = metadata
  const post = supported.includes('client_secret_post') ? 'client_secret_post' : 'client_secret_basic'
  const method = clientAuthentication ?? post
  const secret = clientSecret.reveal()
  return method === 'client_secret_post' ? ClientSecretPost(secret) : ClientSecretBasic(secret)
}

/** Whose fault it is: an answer that does not fit is nobody's sign-in, a provider that gives none is away. */
function signInFailure(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof AuthorizationResponseError) {
    const message = 'The identity provider let nobody in, or you said no there.'
    return new GatewayError('INVALID_REQUEST', message, {
      details: { error: 'access_denied' },
      internal: wordsOf(error),
    })
  }
  const refusedGrant = error instanceof ResponseBodyError && error.error === 'invalid_grant'
  const doesNotFit = error instanceof ClientError && notFitting.has(error.code ?? '')
  return refusedGrant || doesNotFit ? notTheAnswer(wordsOf(error)) : providerAway(error)
}

function providerAway(error: unknown): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    'The identity provider could not be asked, or does not know this gateway. Try again later; the log says more.',
    { internal: wordsOf(error) },
  )
}

/** For the log. Never the errors themselves: the library hangs claims and tokens on them. */
function wordsOf(error: unknown): string {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) {
    return `the provider says ${error.error.slice(0, 100)}`
  }
  if (!(error instanceof Error)) return 'no reason'
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** The library's words for what is wrong with an answer that was given. */
const notFitting = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
])

function notTheAnswer(internal?: string): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    'The answer of the identity provider is not the one to this sign-in. Start again from your application.',
    { details: { error: 'access_denied' }, ...(internal !== undefined && { internal }) },
  )
}
