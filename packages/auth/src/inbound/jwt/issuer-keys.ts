/**
 * The public keys of one identity provider, read when they are first needed, again once they are old, and for a key id that
 * is not among them, at most once in 30 seconds. Keys that are known go on while the provider is away.
 */
import { type Clock, createSingleFlight, type Logger, type Outbound, startDeadline } from '@toolgate/core'
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey, type RemoteJWKSet } from 'jose'
import { publishedAddress } from '../../discovery/issuer-metadata.ts'
import { documentReader } from '../../discovery/json-document.ts'
import { wayToProvider } from '../../provider-ways.ts'
import type { JwtIssuer } from './jwt-settings.ts'

export interface IssuerKeysOptions {
  readonly outbound: Outbound
  /** For a key set that the provider's metadata name elsewhere. */
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly log: Logger
}

/** Milliseconds for one request to the provider. */
const requestMs = 5_000
/** Milliseconds in which an unknown key id makes nobody ask the provider again. */
const coolDownMs = 30_000
/** Bytes of a key set or of the provider's metadata. */
const maxDocumentBytes = 256 * 1024

/** Rejects as jose does, and with whatever the network failed with where the keys cannot be read. */
export function issuerKeys(issuer: JwtIssuer, options: IssuerKeysOptions): JWTVerifyGetKey {
  const { clock, log } = options
  const flight = createSingleFlight<RemoteJWKSet>()
  const never = new AbortController().signal
  let keySet: RemoteJWKSet | undefined
  let readAt = clock.monotonic()

  const renew = (known: RemoteJWKSet) => {
    readAt = clock.monotonic()
    known.reload().catch((error: unknown) => {
      // Open on purpose: the keys at hand were the provider's own, and the next token asks again.
      log.warn({ err: error, issuer: issuer.issuer }, 'keys of the identity provider could not be read again')
    })
  }

  return async (header, token) => {
    keySet ??= await flight('key set', never, async () => keySetOf(issuer, options))
    if (keySet.jwks() === undefined) readAt = clock.monotonic()
    else if (clock.monotonic() - readAt > issuer.keysMs) renew(keySet)
    return keySet(header, token)
  }
}

async function keySetOf(issuer: JwtIssuer, options: IssuerKeysOptions): Promise<RemoteJWKSet> {
  // What the operator's file names is dialled as it stands.
  if (issuer.jwksUrl !== undefined) return keySetAt(issuer.jwksUrl, options.outbound)
  const url = await addressOfKeys(issuer, options)
  return keySetAt(url, wayToProvider(issuer.issuer, options)(url))
}

function keySetAt(url: string, outbound: Outbound): RemoteJWKSet {
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: requestMs,
    cooldownDuration: coolDownMs,
    // Its expiry would stop known keys where the provider is away; `issuerKeys` reads them again instead.
    cacheMaxAge: Infinity,
    async [customFetch](address, { signal }) {
      const response = await outbound.request({
        url: address,
        method: 'GET',
        headers: { accept: 'application/json' },
        signal,
        headersTimeoutMs: requestMs,
        bodyTimeoutMs: requestMs,
      })
      return new Response(await response.text(maxDocumentBytes), { status: response.status })
    },
  })
}

/** OpenID Connect Discovery 1.0 §4.3: the document must name the very issuer that was asked. */
async function addressOfKeys({ issuer }: JwtIssuer, options: IssuerKeysOptions): Promise<string> {
  using deadline = startDeadline(options.clock, requestMs)
  const read = documentReader({
    wayTo: wayToProvider(issuer, options),
    signal: deadline.signal,
    timeoutMs: requestMs,
    maxBytes: maxDocumentBytes,
  })
  const published = await publishedAddress(issuer, 'jwks_uri', read)
  if ('address' in published) return published.address
  throw new Error(`the metadata of the identity provider lead to no keys: ${published.problem}`)
}
