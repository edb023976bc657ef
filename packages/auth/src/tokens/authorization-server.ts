import {
  type Clock,
  isJsonObject,
  type JsonObject,
  type Outbound,
  type OutboundResponse,
  startDeadline,
} from '@toolgate/core'

/**
 * Where a server's tokens come from, found out: RFC 9728 names the authorization server of a resource, RFC 8414 or OpenID
 * Connect Discovery its token endpoint. What is found is checked against who was asked, and what is not the operator's own
 * address is dialled through the address guard.
 */

/** Bytes of one document. */
const maxMetadataBytes = 64 * 1024

/** The token endpoint cannot be found. The message completes "its token endpoint …" and quotes nothing that was fetched. */
export class NotDiscovered extends Error {
  override readonly name = 'NotDiscovered'
}

export interface TokenEndpoint {
  readonly tokenUrl: string
  /** What the resource calls itself; the `resource` of the token request (RFC 8707). */
  readonly resource: string | undefined
  /** The way out that fits the address. */
  readonly outbound: Outbound
}

export interface DiscoveryOptions {
  /** The operator's. */
  readonly outbound: Outbound
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly timeoutMs: number
}

export interface DiscoveryRequest {
  /** The address of the MCP server. */
  readonly resource: string
  /** Whom the operator names; then the server is not asked. */
  readonly issuer: string | undefined
  /** What goes to the endpoint and must not go astray: only the operator may say where. Absent: nothing of the kind. */
  readonly sends: 'a client secret' | 'a token of a caller' | undefined
  readonly signal: AbortSignal
}

/** Rejects with {@link NotDiscovered}, or with whatever the transport failed with. */
export async function discoverTokenEndpoint(
  { resource, issuer, sends, signal }: DiscoveryRequest,
  { outbound, guardedOutbound, clock, timeoutMs }: DiscoveryOptions,
): Promise<TokenEndpoint> {
  using deadline = startDeadline(clock, timeoutMs, signal)
  const own = new Set([resource, ...(issuer === undefined ? [] : [issuer])].map(originOf))
  const wayTo = (url: string) => (own.has(originOf(url)) ? outbound : guardedOutbound)
  const read: ReadDocument = (url) => readDocument(url, { outbound: wayTo(url), signal: deadline.signal, timeoutMs })

  const protectedResource = issuer === undefined ? await readResource(resource, read) : undefined
  const chosen = issuer ?? protectedResource?.issuer ?? originOf(resource)
  if (sends !== undefined && !own.has(originOf(chosen))) {
    throw new NotDiscovered(
      `is at an authorization server that only the MCP server names, and ${sends} is not sent there on its word`,
    )
  }
  return {
    ...(await readIssuer(chosen, { read, wayTo })),
    resource: protectedResource?.resource,
  }
}

type ReadDocument = (url: string) => Promise<JsonObject | undefined>

/** RFC 9728 §3.1: at the path of the resource, else at its root. A resource that is not the one asked for is refused (§3.3). */
async function readResource(
  address: string,
  read: ReadDocument,
): Promise<{ issuer: string | undefined; resource: string } | undefined> {
  const { pathname } = new URL(address)
  const places = new Set([pathname === '/' ? '' : pathname, ''])
  for (const path of places) {
    const document = await read(`${originOf(address)}/.well-known/oauth-protected-resource${path}`)
    if (document === undefined) continue
    const { resource, authorization_servers: servers } = document
    if (typeof resource !== 'string' || !covers(resource, address)) {
      throw new NotDiscovered('cannot be found: the metadata of the MCP server speaks of another resource')
    }
    const [issuer] = Array.isArray(servers) ? servers : []
    return { resource, issuer: typeof issuer === 'string' ? issuer : undefined }
  }
  return undefined
}

/** The resource is the address itself or above it in the same tree. */
function covers(resource: string, address: string): boolean {
  const above = URL.parse(resource)
  const below = new URL(address)
  if (above?.origin !== below.origin) return false
  const path = above.pathname.replace(/\/+$/, '')
  return below.pathname === path || below.pathname.startsWith(`${path}/`)
}

/** RFC 8414 §3.1, then OpenID Connect Discovery in both layouts. The issuer must be the one that was asked (§3.3). */
async function readIssuer(
  issuer: string,
  { read, wayTo }: { read: ReadDocument; wayTo: (url: string) => Outbound },
): Promise<{ tokenUrl: string; outbound: Outbound }> {
  const parsed = URL.parse(issuer)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new NotDiscovered('cannot be found: the authorization server has no http or https address')
  }
  const path = parsed.pathname.replace(/\/+$/, '')
  const places = new Set([
    `${parsed.origin}/.well-known/oauth-authorization-server${path}`,
    `${parsed.origin}/.well-known/openid-configuration${path}`,
    `${parsed.origin}${path}/.well-known/openid-configuration`,
  ])
  for (const place of places) {
    const document = await read(place)
    if (document === undefined) continue
    const { issuer: said, token_endpoint: tokenUrl } = document
    if (typeof said !== 'string' || withoutSlash(said) !== withoutSlash(issuer)) {
      throw new NotDiscovered('cannot be found: the metadata is that of another authorization server')
    }
    const endpoint = typeof tokenUrl === 'string' ? URL.parse(tokenUrl) : null
    if (endpoint === null || !/^https?:$/.test(endpoint.protocol)) continue
    return { tokenUrl: endpoint.href, outbound: wayTo(endpoint.href) }
  }
  throw new NotDiscovered('cannot be found: the authorization server publishes none')
}

async function readDocument(
  url: string,
  { outbound, signal, timeoutMs }: { outbound: Outbound; signal: AbortSignal; timeoutMs: number },
): Promise<JsonObject | undefined> {
  const headers = { accept: 'application/json' }
  const bounds = { headersTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs }
  const response = await outbound.request({ url, method: 'GET', headers, signal, ...bounds })
  if (response.status === 200) return objectIn(await response.text(maxMetadataBytes))
  return nothingIn(response)
}

function nothingIn(response: OutboundResponse): undefined {
  response.discard()
  return undefined
}

function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    // A page of some web server: there is no metadata in this place.
    return undefined
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, '')
}

function originOf(url: string): string {
  return new URL(url).origin
}
