/**
 * JWTs of the company's identity providers as credentials (RFC 7519, RFC 8725). A token is checked for signature, algorithm,
 * issuer, audience and time; nothing in it is believed before. Yields what is no JWT.
 */
import { createHash } from 'node:crypto'
import {
  type Clock,
  GatewayError,
  type Logger,
  type Outbound,
  type Principal,
  type Secret,
  untilAborted,
} from '@toolgate/core'
import { decodeJwt, errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose'
import { LRUCache } from 'lru-cache'
import type { DefaultAccess } from '../../keys/grants.ts'
import type { Authenticator, Moment } from '../authenticator.ts'
import { issuerKeys } from './issuer-keys.ts'
import { principalOfPerson } from './jwt-principal.ts'
import type { JwtIssuer, JwtSettings } from './jwt-settings.ts'
import { personIn } from './person.ts'

export interface JwtAuthenticatorOptions {
  /** Absent: JWTs are no credentials. Asked anew for each request, since a reload may change it. */
  readonly settings: () => JwtSettings | undefined
  readonly defaultAccess: () => DefaultAccess
  readonly outbound: Outbound
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly log: Logger
}

/** Tokens whose check is remembered, by their hash. */
const maxTokens = 2_000
/** Milliseconds for which it is; never beyond the token's life. A key that the provider withdrew is noticed after that. */
const rememberedMs = 60_000

export function jwtAuthenticator(options: JwtAuthenticatorOptions): Authenticator {
  const keysOfAll = rememberingKeys(options)
  let inForce: { settings: JwtSettings; access: DefaultAccess; check: Check } | undefined
  return {
    name: 'jwt',
    async authenticate(credential, moment) {
      const settings = options.settings()
      if (settings === undefined || !looksLikeJwt(credential)) return undefined
      const access = options.defaultAccess()
      if (inForce?.settings !== settings || inForce.access !== access) {
        const issuers = keysOfAll(settings.issuers)
        inForce = { settings, access, check: checking({ settings, access, issuers, clock: options.clock }) }
      }
      return inForce.check(credential, moment)
    },
  }
}

interface TrustedIssuer {
  readonly issuer: JwtIssuer
  readonly keys: JWTVerifyGetKey
}

/**
 * The issuers in force, by name. Keys that were read are kept across a reload that changes something else: the provider may be
 * away at that moment.
 */
function rememberingKeys(options: JwtAuthenticatorOptions) {
  const source = ({ issuer, jwksUrl, keysMs }: JwtIssuer) => JSON.stringify([issuer, jwksUrl, keysMs])
  let known: ReadonlyMap<string, JWTVerifyGetKey> = new Map()
  return (issuers: readonly JwtIssuer[]): ReadonlyMap<string, TrustedIssuer> => {
    const keysOf = (issuer: JwtIssuer) => known.get(source(issuer)) ?? issuerKeys(issuer, options)
    const trusted = issuers.map((issuer) => ({ issuer, keys: keysOf(issuer) }))
    known = new Map(trusted.map(({ issuer, keys }) => [source(issuer), keys]))
    return new Map(trusted.map((one) => [one.issuer.issuer, one]))
  }
}

type Check = (credential: Secret, moment: Moment) => Promise<Principal>

interface Checking {
  readonly settings: JwtSettings
  readonly access: DefaultAccess
  readonly issuers: ReadonlyMap<string, TrustedIssuer>
  readonly clock: Clock
}

function checking({ settings: { mappings }, access: defaultAccess, issuers, clock }: Checking): Check {
  const known = new LRUCache<string, { principal: Principal; until: number }>({ max: maxTokens })

  return async (credential, { signal, asOf = clock.now() }) => {
    const token = credential.reveal()
    const hash = createHash('sha256').update(token).digest('base64')
    const before = known.get(hash)
    if (before !== undefined && asOf < before.until) return before.principal
    const trusted = issuers.get(issuerIn(token) ?? '')
    if (trusted === undefined) throw refused('its issuer is not one that is trusted here')
    const { issuer, keys } = trusted
    const payload = await untilAborted(signal, () => verify(token, issuer, { keys, now: new Date(asOf) }))
    const principal = principalOfPerson(personIn(payload, issuer), issuer, { mappings, defaultAccess })
    known.set(hash, { principal, until: Math.min((payload.exp ?? 0) * 1000, clock.now() + rememberedMs) })
    return principal
  }
}

async function verify(
  token: string,
  { issuer, audiences, algorithms, clockSkewSeconds }: JwtIssuer,
  { keys, now }: { keys: JWTVerifyGetKey; now: Date },
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: [...audiences],
      algorithms: [...algorithms],
      clockTolerance: clockSkewSeconds,
      currentDate: now,
      requiredClaims: ['exp'],
    })
    return payload
  } catch (error) {
    throw verificationFailure(error)
  }
}

/** What the token itself is to blame for is a 401; a provider that cannot be asked makes nobody's token invalid. */
function verificationFailure(error: unknown): GatewayError {
  if (error instanceof errors.JWTExpired) {
    return new GatewayError('KEY_EXPIRED', 'Authentication Error - Expired Key. The token has expired.')
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(`its claim "${error.claim}" ${error.reason === 'missing' ? 'is missing' : 'does not hold here'}`)
  }
  if (tokenFaults.some((fault) => error instanceof fault)) {
    return refused('it is not signed by a key of its issuer, or not in a way that is accepted here')
  }
  return new GatewayError(
    'STORE_UNAVAILABLE',
    'The keys of the identity provider could not be read. Try again later.',
    {
      cause: error,
    },
  )
}

const tokenFaults = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTInvalid,
] as const

function refused(why: string): GatewayError {
  return new GatewayError('CREDENTIAL_INVALID', `Authentication Error, the token is not accepted: ${why}.`)
}

/** A JOSE header is a JSON object, and `{"` is `eyJ` in base64url. */
function looksLikeJwt(credential: Secret): boolean {
  return /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(credential.reveal())
}

/** Only to choose whose keys to check it with. */
function issuerIn(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    // No claims, no issuer: it is refused for that.
    return undefined
  }
}
