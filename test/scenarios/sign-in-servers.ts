import { authorizationServerMetadata } from '@toolgate/testing/authorization-server-metadata'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startOauthServer } from '@toolgate/testing/oauth-server'

/** An MCP server, and the authorization server where its users sign in, which says this of itself beside. Both end with `behind`. */
export async function startSignInServers(behind: AsyncDisposableStack, more: object) {
  const there = behind.use(await startOauthServer())
  const upstream = behind.use(await startRawMcpServer())
  there.documents.set('/.well-known/oauth-authorization-server', {
    ...authorizationServerMetadata(there.origin),
    ...more,
  })
  return { there, upstream, origin: there.origin }
}
