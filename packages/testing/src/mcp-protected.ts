import { createRemoteJWKSet, jwtVerify } from 'jose'
import type { OidcServer } from './oidc-server.ts'
import { type RawMcpServer, type RawRequest, startRawMcpServer, wellBehaved } from './mcp-raw.ts'

export interface ProtectedMcpServer extends RawMcpServer {
  /** Whom it has let in so far: `sub` of each token, or its client. */
  readonly letIn: readonly string[]
  /** Tokens that it refuses from now on, though they are good. */
  refuse(token: string): void
}

/**
 * An MCP server behind a real authorization server: says so in its metadata (RFC 9728), and takes nothing but tokens that are
 * signed there, for itself.
 */
export async function startProtectedMcpServer(oidc: OidcServer): Promise<ProtectedMcpServer> {
  const server = await startRawMcpServer()
  const { url } = server
  const { origin } = new URL(url)
  const keys = createRemoteJWKSet(new URL(`${oidc.issuer}/jwks`))
  const refused = new Set<string>()
  const letIn: string[] = []
  const challenge = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="tools"`

  const holder = async ({ headers }: RawRequest): Promise<string | undefined> => {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    if (token === undefined || refused.has(token)) return undefined
    try {
      const { payload } = await jwtVerify(token, keys, { issuer: oidc.issuer, audience: url })
      return payload.sub ?? String(payload['client_id'])
    } catch {
      // Not signed there, for another resource, or too old: it opens nothing.
      return undefined
    }
  }

  server.answer(async (request) => {
    if (request.path.startsWith('/.well-known/oauth-protected-resource')) {
      const body = { resource: url, authorization_servers: [oidc.issuer], scopes_supported: ['openid', 'tools'] }
      return { body }
    }
    if (request.path !== '/mcp') return { status: 404 }
    const who = await holder(request)
    if (who === undefined) return { status: 401, headers: { 'www-authenticate': challenge } }
    letIn.push(who)
    return wellBehaved(request)
  })
  return { ...server, letIn, refuse: (token) => void refused.add(token) }
}
