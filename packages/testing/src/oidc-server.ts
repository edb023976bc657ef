/** A real OAuth and OpenID Connect server on loopback: `oidc-provider`, with people that are at their browser in no time. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { type ClientMetadata, type Configuration, Provider } from 'oidc-provider'

/** Whoever sits in front of the browser, and what the server says of them. `nobody` says no. */
export type Person = { readonly sub: string; readonly [claim: string]: unknown } | 'nobody'

export interface OidcServer extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly issuer: string
  readonly host: string
  /** Who signs in from now on. */
  person: Person
  /** Every request so far, head and body as one text, for canaries. */
  readonly requests: readonly OidcRequest[]
  /** What a person with a browser does: signs in, says yes, and ends up elsewhere. */
  goThrough(url: string | URL): Promise<URL>
}

export interface OidcRequest {
  readonly method: string
  readonly path: string
  /** Of the request line and the headers. The body is the library's to read. */
  readonly raw: string
}

export interface OidcServerOptions {
  readonly clients?: readonly ClientMetadata[]
  /** Claims that it tells at the userinfo endpoint for `profile`. */
  readonly claims?: readonly string[]
}

/** For a client that proves itself by signing (`private_key_jwt`): its key, and what the server is given of it. */
export async function newClientKey() {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig', kid: 'key-1' }
  return { pem: await exportPKCS8(privateKey), keyId: jwk.kid, jwks: { keys: [jwk] } }
}

const steps = 12

export async function startOidcServer({ clients = [], claims = [] }: OidcServerOptions = {}): Promise<OidcServer> {
  const requests: OidcRequest[] = []
  let serve: (request: IncomingMessage, response: ServerResponse) => Promise<void> = async () => {}
  const http = createServer((request, response) => {
    const { method = '', url = '', rawHeaders } = request
    requests.push({ method, path: url, raw: `${method} ${url}\n${rawHeaders.join('\n')}` })
    void serve(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${portOf(http.address())}`
  const issuer = `http://${host}`
  const server: OidcServer = {
    issuer,
    host,
    person: { sub: 'ada' },
    requests,
    goThrough: (url) => goThrough(issuer, new URL(url)),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      await new Promise<void>((resolve) => http.close(() => resolve()))
    },
  }
  const provider = new Provider(issuer, await configuration({ clients, claims }, server))
  const answer = provider.callback()
  serve = async (request, response) => {
    if (request.url?.startsWith('/interaction/') === true) await signIn(provider, server, { request, response })
    else await answer(request, response)
  }
  return server
}

async function configuration(
  { clients = [], claims = [] }: OidcServerOptions,
  server: OidcServer,
): Promise<Configuration> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return {
    clients: [...clients],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'key-of-this-server' }] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    scopes: ['openid', 'offline_access', 'profile', 'tools'],
    claims: { openid: ['sub'], profile: [...claims] },
    cookies: { keys: ['a key of this server’s cookies'] },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ ...(server.person === 'nobody' ? {} : server.person), sub: id }),
    }),
    issueRefreshToken: async () => true,
    ttl: {
      AccessToken: 3600,
      ClientCredentials: 3600,
      Grant: 3600,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 3600,
    },
    rotateRefreshToken: true,
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'tools',
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
}

async function signIn(
  provider: Provider,
  { person }: OidcServer,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  if (person === 'nobody') return provider.interactionFinished(request, response, { error: 'access_denied' })
  const { params } = await provider.interactionDetails(request, response)
  const { sub: accountId } = person
  const grant = new provider.Grant({ accountId, clientId: String(params['client_id']) })
  const scope = typeof params['scope'] === 'string' ? params['scope'] : ''
  grant.addOIDCScope(scope)
  if (typeof params['resource'] === 'string') grant.addResourceScope(params['resource'], 'tools')
  const consent = { grantId: await grant.save() }
  return provider.interactionFinished(request, response, { login: { accountId }, consent })
}

/** Follows redirects with the server's own cookies until one leads elsewhere. */
async function goThrough(issuer: string, from: URL): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = from
  for (let step = 0; step < steps; step += 1) {
    if (url.origin !== issuer) return url
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { headers: { cookie }, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location === null) throw new Error(`${url.pathname} answered ${response.status}: ${await response.text()}`)
    await response.body?.cancel()
    url = new URL(location, url)
  }
  throw new Error('going round in circles')
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')
  return address.port
}
