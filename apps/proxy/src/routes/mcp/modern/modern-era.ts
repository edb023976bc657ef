import {
  GatewayError,
  isNotification,
  isRequest,
  type JsonObject,
  type JsonRpcErrorBody,
  jsonRpcCodes,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  toGatewayError,
} from '@toolgate/core'
import type { Envelope } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from '../../../app-env.ts'
import { contentful, logFailure } from '../../../middleware/errors.ts'
import { isUpstreamFault, toolFailureOf } from '../../../render/json-rpc.ts'
import { httpStatus } from '../../../render/status.ts'
import { EventStream } from '../event-stream.ts'
import { type HoldsOwnKey, programIn, withProgram } from '../program.ts'
import type { McpPost } from '../routes.ts'
import { requireAnyServer } from '../view.ts'
import { checkRequest } from './check-request.ts'
import { createListen, type Listen, type ListenOptions } from './listen.ts'
import { isOfTheEra, modernErrorOf, statusOf } from './modern-errors.ts'
import { modernPeer } from './modern-peer.ts'
import { discovery, modernResult } from './modern-results.ts'

/** A POST that says that it is of the modern era. */
export interface ModernPost extends McpPost {
  readonly message: JsonRpcMessage
}

export interface ModernEraOptions extends ListenOptions {
  readonly holdsOwnKey: HoldsOwnKey
}

interface ModernRequest extends McpPost {
  readonly request: JsonRpcRequest
  readonly envelope: Envelope
}

/** What this era has no more; a client that asks for it hears that it is not there. */
const goneMethods = new Set(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])

interface Reply {
  readonly response: JsonRpcResponse
  readonly status: number
  /** Of the one server of an endpoint: its HTTP status and its challenge are the answer's. */
  readonly fault?: GatewayError
}

/** Protocol version 2026-07-28 over HTTP: every request stands for itself, and there is no session. */
export function createModernEra(options: ModernEraOptions) {
  const listen = createListen(options)
  return {
    async post({ message, ...post }: ModernPost): Promise<Response> {
      const { context } = post
      // There is nothing to notify a gateway of that keeps nothing between two requests.
      if (isNotification(message)) return context.body(null, 202)
      if (!isRequest(message)) return refuse(context, null, noRequest)
      const checked = checkRequest(message, (name) => context.req.header(name))
      if ('refusal' in checked) return refuse(context, message.id, checked.refusal)
      const request = { ...post, request: message, envelope: checked.envelope }
      return message.method === 'subscriptions/listen' ? opened(options, request, listen) : respond(options, request)
    },

    /** Spec 2026-07-28, Streamable HTTP: a body is one message. */
    refuseBatch: async (context: Context<AppEnv>): Promise<Response> => refuse(context, null, noBatches),
  }
}

/** A stream for as long as its client likes, or why there is none. */
function opened(options: ModernEraOptions, exchange: ModernRequest, listen: Listen): Response {
  try {
    return listen(exchange)
  } catch (thrown) {
    return encode(exchange.context, refusalOf(options, exchange, thrown))
  }
}

/** One JSON document, unless there is something to say before the answer: then a stream. */
function respond(options: ModernEraOptions, exchange: ModernRequest): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const { context, caller, envelope } = exchange
  const left = new AbortController()
  const onBreak = () => left.abort(new GatewayError('CANCELLED', 'The client left.'))
  let stream: EventStream | undefined
  let over = false
  const say = (notification: JsonRpcNotification) => {
    if (over) return
    if (stream === undefined) {
      stream = new EventStream({ clock: options.clock, onBreak })
      resolve(stream.response)
    }
    stream.send(notification)
  }
  const finish = (reply: Reply) => {
    over = true
    if (stream === undefined) return resolve(encode(context, reply))
    stream.send(reply.response)
    stream.close()
  }
  const peer = modernPeer(envelope, say)
  const signal = AbortSignal.any([caller.signal, left.signal])
  const known = withProgram(caller, programIn(envelope.clientInfo, options.holdsOwnKey))
  replyTo(options, { ...exchange, caller: { ...known, peer, signal } }).then(finish, reject)
  return promise
}

/** Always answers: what fails is told in the words of JSON-RPC. */
async function replyTo(options: ModernEraOptions, exchange: ModernRequest): Promise<Reply> {
  const { caller, view, request } = exchange
  const { id, method } = request
  const { serverInfo } = options.introduce(caller, view)
  const complete = (result: JsonObject): Reply => ({
    response: { jsonrpc: '2.0', id, result: modernResult(method, result, serverInfo) },
    status: 200,
  })
  try {
    return complete(await resultOf(options, exchange))
  } catch (thrown) {
    const error = toGatewayError(thrown)
    const refusal = refusalOf(options, exchange, error)
    if (refusal.fault !== undefined || method !== 'tools/call' || isOfTheEra(error)) return refusal
    const failure = toolFailureOf(error)
    return failure === undefined ? refusal : complete(failure)
  }
}

function refusalOf(
  { log }: ModernEraOptions,
  { caller, view, request: { id, method } }: ModernRequest,
  thrown: unknown,
): Reply {
  const error = toGatewayError(thrown)
  logFailure(log, error, caller.request.requestId)
  const body = modernErrorOf(error, method)
  const response = { jsonrpc: '2.0', id, error: body } as const
  if (view.single === undefined || !isUpstreamFault(error)) return { response, status: statusOf(body) }
  return { response, status: httpStatus[error.code], fault: error }
}

async function resultOf(
  { gateway, answer, introduce }: ModernEraOptions,
  { caller, view, request: { method, params = {} }, context }: ModernRequest,
): Promise<JsonObject> {
  if (goneMethods.has(method)) throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${method}`)
  if (method !== 'server/discover') {
    return answer({ caller, view, method, params, headerOf: (name) => context.req.header(name) })
  }
  requireAnyServer(gateway, caller)
  return discovery(introduce(caller, view))
}

const noBatches: JsonRpcErrorBody = {
  code: jsonRpcCodes.invalidRequest,
  message: 'Invalid Request: protocol version 2026-07-28 has no batches.',
}

const noRequest: JsonRpcErrorBody = {
  code: jsonRpcCodes.invalidRequest,
  message: 'Invalid Request: protocol version 2026-07-28 has no responses to post.',
}

function encode(context: Context<AppEnv>, { response, status, fault }: Reply): Response {
  if (status === 200) return context.json(response)
  const { challenge } = fault?.details ?? {}
  if (challenge !== undefined && status === 401) context.header('www-authenticate', challenge)
  if (fault?.retryable === true && status === 503) context.header('retry-after', '1')
  return context.json(response, contentful(status))
}

function refuse(context: Context<AppEnv>, id: JsonRpcId | null, error: JsonRpcErrorBody): Response {
  return context.json({ jsonrpc: '2.0', id, error }, 400)
}
