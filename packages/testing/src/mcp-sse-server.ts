import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { CallToolRequestSchema, ElicitResultSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { callFixtureTool, confirmForm, fixtureTools } from './mcp-tools.ts'

export interface SseMcpServer extends AsyncDisposable {
  /** Of the stream; messages go to where the stream's first event points. */
  readonly url: string
  readonly requests: readonly { readonly method: string; readonly headers: IncomingHttpHeaders }[]
  readonly openStreams: number
  /** Tells every client that the tools changed, outside any request. */
  announceTools(): Promise<void>
  /** Cuts every connection, as a crash does. */
  dropConnections(): void
}

/** A legacy HTTP+SSE server on loopback, built with the maintenance line of the SDK: the real legacy peer. */
export async function startSseMcpServer(): Promise<SseMcpServer> {
  const requests: { method: string; headers: IncomingHttpHeaders }[] = []
  const sessions = new Map<string, { server: Server; transport: SSEServerTransport }>()

  const answer = async (incoming: IncomingMessage, response: ServerResponse) => {
    requests.push({ method: incoming.method ?? '', headers: incoming.headers })
    if (incoming.method === 'GET') {
      const server = fixtureServer()
      const transport = new SSEServerTransport('/message', response)
      sessions.set(transport.sessionId, { server, transport })
      response.on('close', () => sessions.delete(transport.sessionId))
      return server.connect(transport)
    }
    const id = new URL(incoming.url ?? '', 'http://127.0.0.1').searchParams.get('sessionId')
    const session = sessions.get(id ?? '')
    if (session === undefined) return void response.writeHead(404).end('no such session')
    return session.transport.handlePostMessage(incoming, response)
  }
  // A failure drops the connection, which the client sees.
  const http = createServer((incoming, response) => void answer(incoming, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')

  return {
    url: `http://127.0.0.1:${address.port}/sse`,
    requests,
    get openStreams() {
      return sessions.size
    },
    async announceTools() {
      for (const { server } of sessions.values()) await server.sendToolListChanged()
    },
    dropConnections: () => http.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

function fixtureServer(): Server {
  const server = new Server(
    { name: 'legacy-fixture', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true } }, instructions: 'Use the tools.' },
  )
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: fixtureTools }))
  server.setRequestHandler(CallToolRequestSchema, ({ params }, context) => {
    const progressToken = context._meta?.progressToken
    return callFixtureTool(params.name, params.arguments ?? {}, {
      headers: headersOf(context.requestInfo?.headers ?? {}),
      signal: context.signal,
      async progress(progress, total) {
        if (progressToken === undefined) return
        await context.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total } })
      },
      elicit: (message) =>
        context.sendRequest(
          { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema: confirmForm } },
          ElicitResultSchema,
        ),
    })
  })
  return server
}

function headersOf(headers: IncomingHttpHeaders) {
  return { get: (name: string) => [headers[name]].flat()[0] }
}
