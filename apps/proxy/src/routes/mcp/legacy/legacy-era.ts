import {
  type Caller,
  type Clock,
  GatewayError,
  isRequest,
  type JsonRpcMessage,
  type JsonRpcRequest,
  jsonRpcCodes,
  type Logger,
  toGatewayError,
} from '@toolgate/core'
import { readEventId, type Session, type Sessions, type StreamPlace, type Streams } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from '../../../app-env.ts'
import type { Lifecycle } from '../../../lifecycle.ts'
import { contentful } from '../../../middleware/errors.ts'
import { jsonRpcErrorOf } from '../../../render/json-rpc.ts'
import { httpStatus } from '../../../render/status.ts'
import { closeUnlessAdmitted } from '../admitted-news.ts'
import { EventStream } from '../event-stream.ts'
import { isMalformed, type Malformed } from '../read-messages.ts'
import type { StandingCallers } from '../../../standing-callers.ts'
import { withProgram } from '../program.ts'
import type { McpExchange, McpPost } from '../routes.ts'
import type { View } from '../view.ts'
import { whenAborted } from '../when-aborted.ts'
import { hear } from './hear.ts'
import { listenWithSubscriptions } from './held-subscriptions.ts'
import { createLegacyMethods, type LegacyMethodsOptions } from './methods.ts'
import { linked, peerWithoutSession, ReplyStream } from './reply-stream.ts'
import { type Answered, respond, type Responding } from './respond.ts'
import { assumedVersion, hasBatches, hasEventIds, legacyVersionOf, unsupportedVersion } from './versions.ts'

export interface LegacyEraOptions extends LegacyMethodsOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly lifecycle: Pick<Lifecycle, 'leaving'>
  readonly standing: Pick<StandingCallers, 'watch'>
}

/** Protocol versions 2024-11-05 to 2025-11-25 over streamable HTTP, with sessions and without. */
export function createLegacyEra(options: LegacyEraOptions) {
  const { sessions, clock, log, lifecycle, standing } = options
  const methods = createLegacyMethods(options)

  return {
    async post({ context, caller, view, received }: McpPost): Promise<Response> {
      if (isMalformed(received)) return context.json(refusalOf(received), 400)
      const session = await sessionOf(sessions, context, caller)
      const header = context.req.header('mcp-protocol-version')
      const version = legacyVersionOf(header ?? session?.protocolVersion ?? assumedVersion)
      const messages = received.kind === 'message' ? [received.message] : received.messages
      if (version === undefined) return refuseVersion(context, messages[0], header ?? '')
      if (received.kind === 'batch' && !hasBatches(version)) return context.json(refusalOf(noBatches), 400)
      for (const message of messages) {
        if (!isMalformed(message) && session !== undefined) await hear(sessions, session, message)
      }
      const requests = messages.filter((message) => isMalformed(message) || isRequest(message))
      if (requests.length === 0) return context.body(null, 202)
      const batch = received.kind === 'batch'
      return answerAll(
        { methods, log, clock, streams: sessions.streams, standing },
        { context, caller, view, session, requests, batch },
      )
    },

    /** The stream for what is said outside any request. Without a session there is none, and clients know what 405 means. */
    async listen({ context, caller, view }: McpExchange): Promise<Response> {
      const session = await sessionOf(sessions, context, caller)
      if (session === undefined) {
        context.header('allow', 'POST')
        throw new GatewayError('METHOD_NOT_ALLOWED', 'There is no stream without a session.')
      }
      const place = readEventId(context.req.header('last-event-id') ?? '')
      const stream = new EventStream({ clock, headers: { 'mcp-session-id': session.id } })
      stream.signal.addEventListener(
        'abort',
        whenAborted(lifecycle.leaving, () => stream.close()),
      )
      const { again: admitAgain } = context.var.admission
      if (place === undefined) listenWithSubscriptions(options, { session, stream, caller, view, admitAgain })
      else {
        closeUnlessAdmitted(stream, { clock, admitAgain })
        void resume({ sessions, session, log }, place, stream)
      }
      return stream.response
    },

    /** Unknown sessions have ended already, which is what was asked for; but only whoever has one may know that it is there. */
    async end({ context, caller }: McpExchange): Promise<Response> {
      const session = await sessionOf(sessions, context, caller)
      if (session === undefined) {
        context.header('allow', 'POST')
        throw new GatewayError('METHOD_NOT_ALLOWED', 'There is no session to end.')
      }
      await sessions.end(session)
      return context.json({ message: 'Session terminated successfully' })
    },
  }
}

async function sessionOf(
  sessions: Sessions,
  context: Context<AppEnv>,
  { principal }: Caller,
): Promise<Session | undefined> {
  const id = context.req.header('mcp-session-id')
  return id === undefined || id === '' ? undefined : sessions.find(id, principal)
}

/** The rest of a stream that broke, and its end. */
async function resume(
  { sessions, session, log }: { sessions: Sessions; session: Session; log: Logger },
  place: StreamPlace,
  stream: EventStream,
): Promise<void> {
  try {
    await sessions.streams.follow(session, place, stream)
  } catch (error) {
    // The stream ends; the client may come back once more.
    log.warn({ err: error }, 'a stream could not be resumed')
  }
  stream.close()
}

interface Answering {
  readonly context: Context<AppEnv>
  readonly caller: Caller
  readonly view: View
  readonly session: Session | undefined
  readonly requests: readonly (JsonRpcRequest | Malformed)[]
  readonly batch: boolean
}

interface AnsweringOptions extends Responding {
  readonly clock: Clock
  readonly streams: Streams
  readonly standing: Pick<StandingCallers, 'watch'>
}

async function answerAll(
  { clock, streams, standing, ...responding }: AnsweringOptions,
  { context, caller, view, session, requests, batch }: Answering,
): Promise<Response> {
  // The answer to it names the session in a header, which a stream would have sent before there is one.
  const opensSession = requests.some((request) => !isMalformed(request) && request.method === 'initialize')
  const reply = new ReplyStream({
    clock,
    allowed: takesStreams(context) && (batch || !opensSession),
    gone: caller.signal,
    begin:
      session !== undefined && hasEventIds(session.protocolVersion)
        ? (onAbandoned) => streams.begin(session, onAbandoned)
        : undefined,
    primed: session?.protocolVersion === '2025-11-25',
  })
  const { still } = context.get('admission')
  const watch = (dismiss: (reason: GatewayError) => void) => standing.watch({ still, dismiss })
  const answerOne = async (request: JsonRpcRequest): Promise<Answered> => {
    if (batch && request.method === 'initialize') return { response: refusalOf({ ...aloneOnly, id: request.id }) }
    if (session === undefined || request.method === 'initialize') {
      return respond(responding, { caller: { ...caller, peer: peerWithoutSession(reply) }, view, session, request })
    }
    using call = session.begin(request.id)
    using _ = linked({ caller, call, reply, watch })
    const own = { ...withProgram(caller, session.client), signal: call.signal, peer: session.peer(reply) }
    // Until it is answered the client can cancel it.
    return await respond(responding, { caller: own, view, session, request })
  }
  const answers = requests.map(async (request): Promise<Answered> => {
    if (isMalformed(request)) return { response: refusalOf(request) }
    return answerOne(request).catch((thrown: unknown) => tellOn(reply, request, thrown))
  })
  const all = answerTogether(answers, reply)
  const first = await Promise.race([all, reply.started])
  return first instanceof Response ? first : encode(context, first, batch)
}

/** What is about the connection is a status of HTTP while there can be one; on a stream it is the answer, which must not be missing. */
function tellOn(reply: ReplyStream, { id, method }: JsonRpcRequest, thrown: unknown): Answered {
  if (reply.isOpen) return { response: { jsonrpc: '2.0', id, error: jsonRpcErrorOf(toGatewayError(thrown), method) } }
  // From here on it becomes none.
  reply[Symbol.dispose]()
  throw thrown
}

async function answerTogether(answers: readonly Promise<Answered>[], reply: ReplyStream): Promise<readonly Answered[]> {
  using _ = reply
  const answered = await Promise.all(answers)
  reply.finish(answered.map(({ response }) => response))
  return answered
}

/** Lenient: a client that says nothing, or anything, takes what the spec has it take. */
function takesStreams(context: Context<AppEnv>): boolean {
  const accept = context.req.header('accept')
  return accept === undefined || accept.includes('text/event-stream') || accept.includes('*/*')
}

function encode(context: Context<AppEnv>, answered: readonly Answered[], batch: boolean): Response {
  const [first] = answered
  if (batch || first === undefined) return context.json(answered.map(({ response }) => response))
  const { response, fault, sessionId } = first
  if (sessionId !== undefined) context.header('mcp-session-id', sessionId)
  if (fault === undefined) return context.json(response)
  const { challenge } = fault.details
  const status = contentful(httpStatus[fault.code])
  if (challenge !== undefined && status === 401) context.header('www-authenticate', challenge)
  if (fault.retryable && status === 503) context.header('retry-after', '1')
  return context.json(response, status)
}

const noBatches: Malformed = {
  kind: 'malformed',
  id: null,
  error: { code: jsonRpcCodes.invalidRequest, message: 'Invalid Request: this protocol version has no batches.' },
}

/** Spec 2025-03-26, Lifecycle. */
const aloneOnly: Malformed = {
  kind: 'malformed',
  id: null,
  error: { code: jsonRpcCodes.invalidRequest, message: 'Invalid Request: "initialize" is no part of a batch.' },
}

function refusalOf({ id, error }: Malformed) {
  return { jsonrpc: '2.0' as const, id, error }
}

function refuseVersion(context: Context<AppEnv>, message: JsonRpcMessage | Malformed | undefined, header: string) {
  const id = message === undefined || !('id' in message) ? null : (message.id ?? null)
  return context.json({ jsonrpc: '2.0', id, error: unsupportedVersion(header) }, 400)
}
