/**
 * An MCP server that takes nobody without a token of its authorization server, made for it. Its one tool, `whoami`, says whom the
 * token is of.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { listen, type Listening } from './listen.ts'

export interface ProtectedServer extends Listening {
  readonly url: string
  /** Everything that it was ever sent in headers, for whoever wants to know what did not get here. */
  readonly sentHeaders: string
}

export async function startProtectedServer(issuer: string): Promise<ProtectedServer> {
  const keys = createRemoteJWKSet(new URL('/jwks', issuer))
  const seen: string[] = []
  let url = ''

  const holderOf = async ({ headers }: IncomingMessage): Promise<JWTPayload | undefined> => {
    const [, token] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? []
    if (token === undefined) return undefined
    // A token that is not signed there, not for this server, or too old is none.
    return jwtVerify(token, keys, { issuer, audience: url }).then(
      ({ payload }) => payload,
      () => undefined,
    )
  }
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    seen.push(request.rawHeaders.join('\n'))
    const holder = await holderOf(request)
    if (holder === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
      return
    }
    // Without sessions each request has a server of its own, and that one knows who asks.
    const transport = new StreamableHTTPServerTransport({})
    await toolsFor(holder).connect(transport)
    await transport.handleRequest(request, response)
  }
  const listening = await listen(
    createServer((request, response) => void serve(request, response).catch(() => response.destroy())),
  )
  url = `${listening.origin}/mcp`
  return {
    ...listening,
    url,
    get sentHeaders() {
      return seen.join('\n')
    },
  }
}

function toolsFor({ sub, client_id: client }: JWTPayload): McpServer {
  const server = new McpServer({ name: 'protected', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Whom the token of this request is of.' }, () => ({
    content: [{ type: 'text', text: String(sub ?? client) }],
  }))
  return server
}
