import { randomUUID } from 'node:crypto'
import { serve } from '@hono/node-server'
import { isJsonObject } from '@toolgate/core'
import {
  createMcpHandler,
  isLegacyRequest,
  ProtocolError,
  Server,
  type ServerContext,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { Hono } from 'hono'
import { callModernTool, modernTools } from './mcp-modern-tools.ts'
import { callFixtureTool, confirmForm, fixtureTools } from './mcp-tools.ts'

export interface SdkMcpServerOptions {
  /** False: every request stands alone, without `Mcp-Session-Id`. */
  readonly sessions?: boolean
  /** Answers are one JSON document instead of an SSE stream; nothing can be said meanwhile. */
  readonly json?: boolean
  /** Protocol version 2026-07-28: `beside` the sessions of the former versions, or `alone`. Absent: not spoken. */
  readonly modern?: 'beside' | 'alone'
}

export interface SdkMcpServer extends AsyncDisposable {
  readonly url: string
  /** HTTP requests in the order they came, with their JSON-RPC method (undefined for GET and DELETE). */
  readonly requests: readonly ReceivedRequest[]
  readonly handshakes: number
  readonly openSessions: number
  /** Forgets every session, as a restart does: the next request of each is a 404. */
  forgetSessions(): void
  /** Tells every session and every subscription that the tools changed, outside any request. */
  announceTools(): Promise<void>
}

export interface ReceivedRequest {
  readonly method: string
  readonly rpcMethod: unknown
  readonly body: unknown
  readonly headers: Headers
}

interface Session {
  readonly server: Server
  readonly transport: WebStandardStreamableHTTPServerTransport
}

/** A streamable HTTP server on loopback, built with the current SDK; its tools are in `mcp-tools.ts`. */
export async function startMcpServer({
  sessions: withSessions = true,
  json = false,
  modern,
}: SdkMcpServerOptions = {}): Promise<SdkMcpServer> {
  const requests: ReceivedRequest[] = []
  const sessions = new Map<string, Session>()

  const openSession = async (): Promise<Session> => {
    const server = fixtureServer()
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: withSessions ? () => randomUUID() : undefined,
      enableJsonResponse: json,
      onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
      onsessionclosed: (id) => void sessions.delete(id),
    })
    await server.connect(transport)
    return { server, transport }
  }

  const sessionFor = async (id: string | undefined, rpcMethod: unknown): Promise<Session | undefined> => {
    if (!withSessions || (id === undefined && rpcMethod === 'initialize')) return openSession()
    return id === undefined ? undefined : sessions.get(id)
  }

  const modernHandler = createMcpHandler(modernFixtureServer, { legacy: 'reject' })
  const isForModern = async (request: Request, parsedBody: unknown) =>
    modern === 'alone' ||
    (modern === 'beside' && parsedBody !== undefined && !(await isLegacyRequest(request, parsedBody)))

  const app = new Hono()
  app.all('/mcp', async (context) => {
    const parsedBody: unknown = context.req.method === 'POST' ? await context.req.json() : undefined
    const rpcMethod = isJsonObject(parsedBody) ? parsedBody['method'] : undefined
    requests.push({
      method: context.req.method,
      rpcMethod,
      body: parsedBody,
      headers: new Headers(context.req.raw.headers),
    })
    if (await isForModern(context.req.raw, parsedBody)) {
      return modernHandler.fetch(context.req.raw, parsedBody === undefined ? {} : { parsedBody })
    }
    if (!withSessions && context.req.method !== 'POST') return context.body(null, 405)
    const session = await sessionFor(context.req.header('mcp-session-id'), rpcMethod)
    if (session === undefined) return context.json({ error: 'no such session' }, 404)
    return session.transport.handleRequest(context.req.raw, { parsedBody })
  })

  const listening = Promise.withResolvers<number>()
  const http = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => listening.resolve(port))
  const port = await listening.promise

  return {
    url: `http://127.0.0.1:${port}/mcp`,
    requests,
    get handshakes() {
      return requests.filter(({ rpcMethod }) => rpcMethod === 'initialize').length
    },
    get openSessions() {
      return sessions.size
    },
    forgetSessions: () => sessions.clear(),
    async announceTools() {
      for (const { server } of sessions.values()) await server.sendToolListChanged()
      modernHandler.notify.toolsChanged()
    },
    async [Symbol.asyncDispose]() {
      await modernHandler.close()
      if ('closeAllConnections' in http) http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

function fixtureServer(): Server {
  const server = new Server(
    { name: 'fixture', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true } }, instructions: 'Use the tools.' },
  )
  server.setRequestHandler('tools/list', () => ({ tools: fixtureTools }))
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    if (params.name === 'break') throw new ProtocolError(-32050, 'broken on purpose', { part: 'spring' })
    return callFixtureTool(params.name, params.arguments ?? {}, fixtureContext(context))
  })
  return server
}

/** One request's server of the modern era: it asks by answering with what is missing. */
export function modernFixtureServer(): Server {
  const server = new Server(
    { name: 'fixture', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true }, logging: {} }, instructions: 'Use the tools.' },
  )
  server.setRequestHandler('tools/list', () => ({ tools: [...fixtureTools, ...modernTools], ttlMs: 0 }))
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    if (params.name === 'break') throw new ProtocolError(-32050, 'broken on purpose', { part: 'spring' })
    const answer = await callModernTool(params.name, params.arguments ?? {}, context)
    return answer ?? callFixtureTool(params.name, params.arguments ?? {}, fixtureContext(context))
  })
  return server
}

function fixtureContext({ mcpReq, http }: ServerContext) {
  const progressToken = mcpReq._meta?.progressToken
  return {
    headers: http?.req?.headers ?? new Headers(),
    signal: mcpReq.signal,
    async progress(progress: number, total: number) {
      if (progressToken === undefined) return
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total } })
    },
    elicit: (message: string) =>
      mcpReq.send({
        method: 'elicitation/create',
        params: { mode: 'form' as const, message, requestedSchema: confirmForm },
      }),
  }
}
