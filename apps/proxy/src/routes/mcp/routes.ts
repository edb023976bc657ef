import { type Caller, type Clock, GatewayError, type JsonRpcMessage, type Logger, type NewId } from '@toolgate/core'
import type { Gateway, Sessions, Subscriptions } from '@toolgate/manager'
import { type Context, Hono, type Next } from 'hono'
import { aimAt } from '../../aim-at.ts'
import type { AppEnv } from '../../app-env.ts'
import { mcpEndpointOf, mcpPathPatterns } from '../../mcp-endpoint.ts'
import type { Lifecycle } from '../../lifecycle.ts'
import { resourceMetadata } from '../../middleware/errors.ts'
import type { PublicAddress } from '../../public-address.ts'
import type { StandingCallers } from '../../standing-callers.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import { createAnswer } from './answer.ts'
import { namesModernVersion, speaksModern } from './era.ts'
import { createIntroduction } from './introduction.ts'
import { createLegacyEra } from './legacy/legacy-era.ts'
import { createModernEra } from './modern/modern-era.ts'
import { originRules, refuseForeignOrigin } from './origin.ts'
import type { HoldsOwnKey } from './program.ts'
import { isMalformed, type Malformed, readMessages, type Received } from './read-messages.ts'
import { createSseTransport } from './sse/sse-transport.ts'
import { serversOf, type View, viewOf } from './view.ts'

/** One HTTP request to an MCP endpoint: who asks, and what there is to see. */
export interface McpExchange {
  readonly context: Context<AppEnv>
  readonly caller: Caller
  readonly view: View
}

/** A POST, its body parsed once. */
export interface McpPost extends McpExchange {
  readonly received: Received
}

export interface McpServices {
  readonly gateway: Gateway
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
  readonly lifecycle: Pick<Lifecycle, 'leaving'>
  readonly standing: Pick<StandingCallers, 'watch'>
  readonly live: Pick<LiveConfig, 'current'>
  readonly publicAddress: PublicAddress
  readonly holdsOwnKey: HoldsOwnKey
}

/**
 * The MCP door: `/mcp`, `/mcp/{names}`, `/{names}/mcp`, and the two paths of the legacy transport. It
 * finds out what the endpoint leads to, reads the body, and hands the request to the era of the protocol that it speaks. What a request means is the same in all of them: `answer.ts`.
 */
export function mcpRoutes(services: McpServices) {
  const { gateway, live, publicAddress } = services
  const answer = createAnswer({ gateway })
  const introduce = createIntroduction({ gateway, identity: () => live.current.environment.mcpIdentity })
  const legacy = createLegacyEra({ ...services, answer, introduce })
  const modern = createModernEra({ ...services, answer, introduce })
  const { sessionsPerOwner } = live.current.environment
  const sse = createSseTransport({ ...services, answer, introduce, sessionsPerOwner })

  const handle = async (context: Context<AppEnv>, next: Next): Promise<Response | void> => {
    const { path, method } = context.req
    const endpoint = mcpEndpointOf(path)
    // It only looks like one: a server may be called as another door's path ends.
    if (endpoint === undefined) return next()
    refuseForeignOrigin(context, originRules(live))
    const caller = context.get('caller')
    const header = context.req.header('x-mcp-servers')
    aimAt(context, () => serversOf(gateway, { caller, endpoint, header }))
    if (endpoint.transport === 'sse' && method === 'GET') return sse.open({ context, caller, endpoint })
    if (endpoint.transport === 'sse-messages' && method === 'POST') return sse.post({ context, caller, endpoint })
    if (endpoint.transport !== 'streamable') return otherMethod(context, endpoint.transport === 'sse' ? 'GET' : 'POST')
    const view = viewOf(gateway, { caller, endpoint, header })
    const exchange = { context, caller, view }
    if (method === 'POST') {
      return challenged(context, await post({ ...exchange, received: await readMessages(context) }), publicAddress)
    }
    if (method !== 'OPTIONS' && namesModernVersion(context.req.header('mcp-protocol-version')))
      refuseAllBut(context, 'POST')
    if (method === 'GET') return legacy.listen(exchange)
    if (method === 'DELETE') return legacy.end(exchange)
    return otherMethod(context, 'GET, POST, DELETE')
  }

  /** The seam between the eras: what says that it is of the one without sessions never meets one. */
  const post = (request: McpPost): Promise<Response> => {
    const { received, context } = request
    const header = context.req.header('mcp-protocol-version')
    if (received.kind === 'message' && speaksModern(received.message, header)) {
      return modern.post({ ...request, message: received.message })
    }
    if (received.kind === 'batch' && isModernBatch(received.messages, header)) return modern.refuseBatch(context)
    return legacy.post(request)
  }

  const app = new Hono<AppEnv>().get('/mcp/enabled', (context) => context.json({ enabled: true }))
  for (const pattern of mcpPathPatterns) app.all(pattern, handle)
  return app
}

/** RFC 9110 §15.5.2: a 401 says how to sign in; where the server behind the endpoint does not, by way of the gateway. */
function challenged(context: Context<AppEnv>, response: Response, publicAddress: PublicAddress): Response {
  if (response.status === 401 && !response.headers.has('www-authenticate')) {
    response.headers.set('www-authenticate', `Bearer ${resourceMetadata(context, publicAddress)}`)
  }
  return response
}

/** One message of the era without batches makes none of the whole: the other ones must not be done as if they were alone. */
function isModernBatch(messages: readonly (JsonRpcMessage | Malformed)[], header: string | undefined): boolean {
  return messages.some((message) => !isMalformed(message) && speaksModern(message, header))
}

/** The era without sessions has neither streams of their own nor anything to delete. */
function refuseAllBut(context: Context<AppEnv>, allowed: string): never {
  context.header('allow', allowed)
  throw new GatewayError('METHOD_NOT_ALLOWED', `In this protocol version an MCP endpoint takes ${allowed} alone.`)
}

function otherMethod(context: Context<AppEnv>, allowed: string): Response {
  context.header('allow', allowed)
  if (context.req.method === 'OPTIONS') return context.body(null, 204)
  throw new GatewayError('METHOD_NOT_ALLOWED', `This MCP endpoint takes ${allowed}, not ${context.req.method}.`)
}
