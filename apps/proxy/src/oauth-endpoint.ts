/**
 * Which paths belong to the gateway's authorization server, and which MCP endpoint a path or an address means to it. Pure text:
 * whether there is such a server is never said here, so nobody learns it without a credential.
 */
import { canonicalMcpPath, mcpEndpointOf } from './mcp-endpoint.ts'

const actions = ['authorize', 'token', 'register', 'revoke', 'introspect'] as const

export interface OauthEndpoint {
  readonly action: (typeof actions)[number]
  /** Empty for the gateway itself, else `/{server}`: there is one issuer for each, as in LiteLLM, and one store behind them. */
  readonly issuer: string
}

/** First segments of other doors. A server of that name is reached through the issuer of the gateway itself. */
const taken = new Set(
  '.well-known callback chat config connect embeddings health key mcp mcp-rest messages metrics models openapi.json responses sse sso test toolset v1 v2'.split(
    ' ',
  ),
)

export function oauthEndpointOf(path: string): OauthEndpoint | undefined {
  const [, server, last] = /^(?:\/([^/]+))?\/([a-z]+)$/.exec(path) ?? []
  const action = actions.find((name) => name === last)
  if (action === undefined || (server !== undefined && taken.has(server))) return undefined
  return { action, issuer: server === undefined ? '' : `/${server}` }
}

export const everything = '/mcp'

/** What a token must be for to be good at this path; undefined where it is no MCP endpoint. */
export function audienceOfPath(path: string): string | undefined {
  const endpoint = mcpEndpointOf(path)
  if (endpoint === undefined) return undefined
  return endpoint.transport === 'streamable' ? canonicalMcpPath(path) : everything
}

/** A token for everything is one for each part. */
export function isForPath(audience: string, path: string): boolean {
  const here = audienceOfPath(path)
  return here !== undefined && (audience === here || audience === everything)
}

/** The endpoint that a client means by `resource` (RFC 8707), and without one by the issuer that it asks. */
export function audienceOfResource(
  resource: string | undefined,
  { base, issuer }: { base: string; issuer: string },
): string | undefined {
  if (resource === undefined) return issuer === '' ? everything : audienceOfPath(`${issuer}/mcp`)
  const url = URL.parse(resource)
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    return undefined
  const root = new URL(base)
  if (url.origin !== root.origin) return undefined
  const [path, above] = [withoutSlash(url.pathname), withoutSlash(root.pathname)]
  if (path === above) return everything
  return path.startsWith(`${above}/`) ? audienceOfPath(path.slice(above.length)) : undefined
}

/** The issuer for the tokens of an MCP endpoint. */
export function issuerOfPath(path: string): string {
  const [name, ...others] = mcpEndpointOf(path)?.names ?? []
  if (name === undefined || others.length > 0 || name.includes('/') || taken.has(name)) return ''
  return `/${encodeURIComponent(name)}`
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '')
}
