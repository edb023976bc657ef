import { CompactSign, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { serveOnLoopback } from './loopback.ts'

export interface IdentityProvider extends AsyncDisposable {
  readonly issuer: string
  readonly jwksUrl: string
  /** Requests for its keys so far. */
  readonly keyRequests: number
  /** A token of the current key, for five minutes; claims replace and add. */
  sign(claims?: JWTPayload, options?: SignOptions): Promise<string>
  /** The same for a payload as it is written. */
  signText(payload: string): Promise<string>
  /** From now on signs with a new key, which its key set holds beside the former ones. */
  rotate(): Promise<void>
  /** From now on its key set is not to be had. */
  goAway(): void
}

export interface SignOptions {
  readonly header?: Readonly<Record<string, unknown>>
  /** A claim that it leaves out. */
  readonly without?: string
  /** A key that is not in its key set. */
  readonly strangersKey?: boolean
}

/** An identity provider on loopback: OpenID Connect metadata, a key set, and the tokens it would have issued. */
export async function startIdentityProvider(): Promise<IdentityProvider> {
  let keyRequests = 0
  let away = false
  let key = await newKey('key-1')
  const published = [key.jwk]

  const server = await serveOnLoopback((request) => {
    const { origin, pathname } = new URL(request.url)
    if (pathname === '/.well-known/openid-configuration') {
      return Response.json({ issuer: origin, jwks_uri: `${origin}/keys` })
    }
    if (pathname !== '/keys') return new Response(null, { status: 404 })
    keyRequests += 1
    return away ? new Response(null, { status: 503 }) : Response.json({ keys: published })
  })
  const issuer = server.origin

  return {
    issuer,
    jwksUrl: `${issuer}/keys`,
    get keyRequests() {
      return keyRequests
    },
    async sign(claims = {}, { header = {}, without = '', strangersKey = false } = {}) {
      const now = Math.floor(Date.now() / 1000)
      const payload: JWTPayload = { iss: issuer, aud: 'toolgate', sub: 'alice', iat: now, exp: now + 300, ...claims }
      Reflect.deleteProperty(payload, without)
      const signer = strangersKey ? await newKey(key.jwk.kid) : key
      return new SignJWT(payload)
        .setProtectedHeader({ alg: 'ES256', kid: key.jwk.kid, ...header })
        .sign(signer.privateKey)
    },
    signText: (text) =>
      new CompactSign(Buffer.from(text)).setProtectedHeader({ alg: 'ES256', kid: key.jwk.kid }).sign(key.privateKey),
    async rotate() {
      key = await newKey(`key-${published.length + 1}`)
      published.push(key.jwk)
    },
    goAway() {
      away = true
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function newKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
}
