import { createPrivateKey, type KeyObject } from 'node:crypto'
import { isJsonObject, type JsonObject, type NewId, type Secret } from '@toolgate/core'
import { SignJWT } from 'jose'

/** Seconds for which an assertion is good: as long as one request takes, clocks that differ included. */
const assertionLifeSeconds = 60

/** What a client proves itself with at a token endpoint instead of a secret (RFC 7523 §2.2). */
export interface AssertionKey {
  /** PEM or a JWK. */
  readonly privateKey: Secret
  readonly keyId: string | undefined
  /** Absent: what fits the key. */
  readonly algorithm: string | undefined
}

export interface AssertionRequest {
  readonly clientId: string
  readonly audience: string
  readonly nowMs: number
  readonly newId: NewId
}

/** A signed JWT that says who the client is, to this endpoint, for a minute, once. Rejects where key and algorithm do not fit. */
export async function signAssertion(key: AssertionKey, request: AssertionRequest): Promise<string> {
  const { clientId, audience, nowMs, newId } = request
  const privateKey = readPrivateKey(key.privateKey.reveal())
  if (privateKey === undefined) throw new TypeError('not a private key')
  const now = Math.floor(nowMs / 1000)
  const algorithm = key.algorithm ?? usualAlgorithm(privateKey)
  return new SignJWT()
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(key.keyId !== undefined && { kid: key.keyId }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(newId('assertion'))
    .setIssuedAt(now)
    .setExpirationTime(now + assertionLifeSeconds)
    .sign(privateKey)
}

/** `undefined` where the text is no private key that can be used as it stands: one that needs a passphrase is none. */
export function readPrivateKey(text: string): KeyObject | undefined {
  try {
    const isJwk = text.trimStart().startsWith('{')
    return isJwk ? createPrivateKey({ key: jwkOf(text), format: 'jwk' }) : createPrivateKey(text)
  } catch {
    // The reason would quote the key.
    return undefined
  }
}

function jwkOf(text: string): JsonObject {
  const value: unknown = JSON.parse(text)
  return isJsonObject(value) ? value : {}
}

function usualAlgorithm({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA'
  if (asymmetricKeyType !== 'ec') return 'RS256'
  return ecAlgorithms.get(asymmetricKeyDetails?.namedCurve ?? '') ?? 'ES256'
}

const ecAlgorithms = new Map([
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
])
