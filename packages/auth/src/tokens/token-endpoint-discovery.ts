import { type Clock, type Outbound, startDeadline } from '@toolgate/core'
import { type NotPublished, publishedAddress } from '../discovery/issuer-metadata.ts'
import { documentReader, type ReadDocument } from '../discovery/json-document.ts'
import { coversResource } from '../discovery/protected-resource.ts'

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
  /** What the authorization server calls itself, where it was asked. */
  readonly issuer: string | undefined
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
  const read = documentReader({ wayTo, signal: deadline.signal, timeoutMs, maxBytes: maxMetadataBytes })

  const protectedResource = issuer === undefined ? await readResource(resource, read) : undefined
  const chosen = issuer ?? protectedResource?.issuer ?? originOf(resource)
  if (sends !== undefined && !own.has(originOf(chosen))) {
    throw new NotDiscovered(
      `is at an authorization server that only the MCP server names, and ${sends} is not sent there on its word`,
    )
  }
  const published = await publishedAddress(chosen, 'token_endpoint', read)
  if ('problem' in published) throw new NotDiscovered(problems[published.problem])
  const { address: tokenUrl, issuer: said } = published
  return { tokenUrl, issuer: said, outbound: wayTo(tokenUrl), resource: protectedResource?.resource }
}

const problems = {
  'no address': 'cannot be found: the authorization server has no http or https address',
  'another issuer': 'cannot be found: the metadata is that of another authorization server',
  'nothing found': 'cannot be found: the authorization server publishes none',
} as const satisfies Record<NotPublished, string>

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
    if (typeof resource !== 'string' || !coversResource(resource, address)) {
      throw new NotDiscovered('cannot be found: the metadata of the MCP server speaks of another resource')
    }
    const [issuer] = Array.isArray(servers) ? servers : []
    return { resource, issuer: typeof issuer === 'string' ? issuer : undefined }
  }
  return undefined
}

function originOf(url: string): string {
  return new URL(url).origin
}
