import {
  type Caller,
  type Clock,
  GatewayError,
  isRequest,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Logger,
  type NewId,
  toGatewayError,
} from '@toolgate/core'
import type { Gateway, Session } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from '../../../app-env.ts'
import type { Lifecycle } from '../../../lifecycle.ts'
import type { McpEndpoint } from '../../../mcp-endpoint.ts'
import { jsonRpcErrorOf } from '../../../render/json-rpc.ts'
import { closeUnlessAdmitted } from '../admitted-news.ts'
import { EventStream } from '../event-stream.ts'
import { hear } from '../legacy/hear.ts'
import { type ListeningClient, listenWithSubscriptions } from '../legacy/held-subscriptions.ts'
import { createLegacyMethods, type LegacyMethodsOptions } from '../legacy/methods.ts'
import { peerWithoutSession } from '../legacy/reply-stream.ts'
import { respond } from '../legacy/respond.ts'
import { withProgram } from '../program.ts'
import { isMalformed, readMessages } from '../read-messages.ts'
import { type View, viewOf } from '../view.ts'
import { whenAborted } from '../when-aborted.ts'
import { SseStream, SseStreams } from './sse-stream.ts'

export interface SseTransportOptions extends LegacyMethodsOptions {
  readonly gateway: Gateway
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
  /** Streams of one caller, be there a session on them or not yet. */
  readonly sessionsPerOwner: number
  readonly lifecycle: Pick<Lifecycle, 'leaving'>
}

/** One request to an endpoint of this transport. */
export interface SseRequest {
  readonly context: Context<AppEnv>
  readonly caller: Caller
  readonly endpoint: McpEndpoint
}

/**
 * HTTP+SSE of protocol version 2024-11-05: a stream that first says where messages are posted, and then carries everything
 * that the client is told. The session is that of the other transport; it ends with its stream. Messages must reach the
 * gateway that has the stream.
 */
export function createSseTransport(options: SseTransportOptions) {
  const streams = new SseStreams({ maxPerOwner: options.sessionsPerOwner })
  const methods = createLegacyMethods(options)

  return {
    async open({ context, caller, endpoint }: SseRequest): Promise<Response> {
      const servers = context.req.header('x-mcp-servers')
      // Refused now, and not with the first message.
      viewOf(options.gateway, { caller, endpoint, header: servers })
      if (streams.isFull(caller.principal)) {
        throw new GatewayError('TOO_MANY_SESSIONS', 'Too many active MCP sessions for this caller.')
      }
      const stream = openStream(options, { principal: caller.principal, servers })
      streams.add(stream)
      const { again: admitAgain } = context.var.admission
      closeUnlessAdmitted(stream.events, { clock: options.clock, admitAgain })
      stream.events.event('endpoint', `${context.req.path.replace(/\/$/, '')}/messages?sessionId=${stream.id}`)
      return stream.events.response
    },

    /** Takes messages; their answers go to the stream. */
    async post({ context, caller, endpoint }: SseRequest): Promise<Response> {
      const stream = streamOf(streams, context, caller)
      const { session: known } = stream
      const { again: admitAgain } = context.var.admission
      const session = known && (await options.sessions.find(known.id, caller.principal))
      // What the stream was opened for wins: a message cannot widen it.
      const header = stream.servers ?? context.req.header('x-mcp-servers')
      const view = viewOf(options.gateway, { caller, endpoint, header })
      const received = await readMessages(context)
      if (isMalformed(received)) return context.json({ jsonrpc: '2.0', id: received.id, error: received.error }, 400)
      const messages = received.kind === 'message' ? [received.message] : received.messages
      if (stream.full) throw new GatewayError('OVERLOADED', 'Too many requests of this stream are being answered.')
      for (const message of messages) {
        if (isMalformed(message)) stream.events.send({ jsonrpc: '2.0', id: message.id, error: message.error })
        else await take({ ...options, methods }, { stream, session, caller, view, admitAgain, message })
      }
      return context.text('Accepted', 202)
    },
  }
}

/** It lasts until the client leaves, the session ends, or the gateway leaves and everything is answered. */
function openStream(
  { clock, newId, lifecycle, sessions, log }: SseTransportOptions,
  { principal, servers }: { principal: Caller['principal']; servers: string | undefined },
): SseStream {
  const events = new EventStream({ clock })
  const stream = new SseStream(newId('stream'), { principal, events, servers })
  const stay = whenAborted(lifecycle.leaving, () => stream.leave())
  events.signal.addEventListener('abort', () => {
    stay()
    if (stream.session !== undefined) void endSession({ sessions, log }, stream.session)
  })
  return stream
}

async function endSession(
  { sessions, log }: Pick<SseTransportOptions, 'sessions' | 'log'>,
  session: Session,
): Promise<void> {
  try {
    await sessions.end(session)
  } catch (error) {
    // It goes once it was idle for long enough.
    log.debug({ err: error }, 'the session of a stream that ended could not be ended')
  }
}

function streamOf(streams: SseStreams, context: Context<AppEnv>, { principal }: Caller): SseStream {
  const stream = streams.find(context.req.query('sessionId') ?? '')
  if (stream === undefined) {
    throw new GatewayError('SESSION_NOT_FOUND', 'This stream has ended or never was. Open another one.')
  }
  if (stream.owner !== principal.id) {
    throw new GatewayError('SESSION_OF_ANOTHER', 'This stream is bound to a different caller.')
  }
  return stream
}

interface Taking {
  readonly stream: SseStream
  readonly session: Session | undefined
  readonly caller: Caller
  readonly view: View
  readonly admitAgain: ListeningClient['admitAgain']
}

type Responding = SseTransportOptions & { readonly methods: ReturnType<typeof createLegacyMethods> }

async function take(
  options: Responding,
  { message, ...taking }: Taking & { readonly message: JsonRpcMessage },
): Promise<void> {
  if (isRequest(message)) void answer(options, taking, message)
  else if (taking.session !== undefined) await hear(options.sessions, taking.session, message)
}

/** Never rejects: whatever happens is told on the stream. */
async function answer(options: Responding, taking: Taking, request: JsonRpcRequest): Promise<void> {
  const { events } = taking.stream
  using _ = taking.stream.begin()
  try {
    if (request.method === 'initialize') await initialize(options, taking, request)
    else events.send(await answerOf(options, taking, request))
  } catch (thrown) {
    events.send({ jsonrpc: '2.0', id: request.id, error: jsonRpcErrorOf(toGatewayError(thrown), request.method) })
  }
}

/** The view is an aggregate's, so there is no fault that could be a status instead. */
async function answerOf(
  { methods, log }: Responding,
  { stream: { events }, session, caller, view }: Taking,
  request: JsonRpcRequest,
): Promise<JsonRpcResponse> {
  // The POST ends before its request is answered: the stream is what the client may leave.
  if (session === undefined) {
    const alone = { ...caller, signal: events.signal, peer: peerWithoutSession(events) }
    return (await respond({ methods, log }, { caller: alone, view, session, request })).response
  }
  using call = session.begin(request.id)
  const signal = AbortSignal.any([call.signal, events.signal])
  const own = { ...withProgram(caller, session.client), signal, peer: session.peer(events) }
  return (await respond({ methods, log }, { caller: own, view, session, request })).response
}

async function initialize(options: Responding, taking: Taking, request: JsonRpcRequest): Promise<void> {
  const { stream, caller, view, admitAgain } = taking
  using opening = stream.beginSession()
  if (opening === undefined) {
    throw new GatewayError('INVALID_REQUEST', 'This stream has a session already. Open another stream for another one.')
  }
  const asked = { caller: { ...caller, signal: stream.events.signal }, view, session: undefined, request }
  const { response, sessionId } = await respond(options, asked)
  const session = sessionId === undefined ? undefined : await options.sessions.find(sessionId, caller.principal)
  if (session !== undefined && stream.events.signal.aborted) return endSession(options, session)
  stream.session = session
  stream.events.send(response)
  if (session === undefined) return
  listenWithSubscriptions(options, { session, stream: stream.events, caller, view, admitAgain })
}
