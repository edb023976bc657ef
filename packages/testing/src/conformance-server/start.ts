import { randomUUID } from 'node:crypto'
import { isJsonObject } from '@toolgate/core'
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpServer,
  originValidationResponse,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { serveOnLoopback } from '../loopback.ts'
import { buildServer } from './build-server.ts'
import { createChangingOffer } from './changing-offer.ts'
import { createEventLog } from './event-log.ts'

export interface ConformanceServer extends AsyncDisposable {
  readonly url: string
  /** HTTP requests served, in all. */
  readonly requests: number
  readonly openSessions: number
}

export interface ConformanceServerOptions {
  /** Whoever does not present it as a bearer token is refused: what got through came from one who knows it. */
  readonly token?: string
  /** Default: both eras. */
  readonly eras?: 'legacy' | 'modern'
}

interface Session {
  readonly server: McpServer
  readonly transport: WebStandardStreamableHTTPServerTransport
  readonly watched: Set<string>
}

const retryMs = 100

/** Everything the official conformance suite wants of a server, in both protocol eras, on loopback. */
export async function startConformanceServer({
  token,
  eras,
}: ConformanceServerOptions = {}): Promise<ConformanceServer> {
  const sessions = new Map<string, Session>()
  const offer = createChangingOffer(() => ({ notify: modern.notify, sessions: sessions.values() }))
  const modern = createMcpHandler(() => buildServer(offer), { legacy: 'reject' })
  let requests = 0

  const openSession = async (): Promise<Session> => {
    const server = buildServer(offer)
    const watched = new Set<string>()
    server.server.setRequestHandler('resources/subscribe', ({ params }) => {
      watched.add(params.uri)
      return {}
    })
    server.server.setRequestHandler('resources/unsubscribe', ({ params }) => {
      watched.delete(params.uri)
      return {}
    })
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: createEventLog(),
      retryInterval: retryMs,
      onsessioninitialized: (id) => void sessions.set(id, { server, transport, watched }),
      onsessionclosed: (id) => void sessions.delete(id),
    })
    await server.connect(transport)
    return { server, transport, watched }
  }

  const answerLegacy = async (request: Request, parsedBody: unknown): Promise<Response> => {
    const id = request.headers.get('mcp-session-id')
    const opening = id === null && isJsonObject(parsedBody) && parsedBody['method'] === 'initialize'
    if (id === null && !opening) return refusal(400, 'a session is required')
    const session = id === null ? await openSession() : sessions.get(id)
    return session?.transport.handleRequest(request, { parsedBody }) ?? refusal(404, 'no such session')
  }

  const { origin, ...server } = await serveOnLoopback(async (request) => {
    requests += 1
    const foreign =
      hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
      originValidationResponse(request, localhostAllowedOrigins())
    if (foreign !== undefined) return foreign
    if (token !== undefined && request.headers.get('authorization') !== `Bearer ${token}`) return refusal(401, 'who?')
    const parsedBody: unknown = request.method === 'POST' ? await request.json() : undefined
    const legacy = eras === 'legacy' || (eras !== 'modern' && (await isLegacyRequest(request, parsedBody)))
    return legacy ? answerLegacy(request, parsedBody) : modern.fetch(request, { parsedBody })
  })

  return {
    ...server,
    url: `${origin}/mcp`,
    get requests() {
      return requests
    },
    get openSessions() {
      return sessions.size
    },
  }
}

function refusal(status: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }, { status })
}
