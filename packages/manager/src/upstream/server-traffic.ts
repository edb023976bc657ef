import {
  type Clock,
  GatewayError,
  isRequest,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type JsonRpcRequest,
  jsonRpcCodes,
  Roster,
  silentPeer,
} from '@toolgate/core'
import { isAboutTheServer } from '../about-the-server.ts'
import type { UnsolicitedListener } from './connection.ts'
import type { InFlightCall } from './in-flight-call.ts'
import { createNews, type News } from './news.ts'

/** Requests of one upstream session that are being answered, of whatever kind. */
const maxAnswersAtOnce = 128

/** Requests of one upstream that may wait for an answer at a time; beyond it they are refused. */
const maxPendingServerRequests = 64

/** What a server may ask of a client, and the capability that the client must have declared for it. */
const capabilityFor = new Map([
  ['elicitation/create', 'elicitation'],
  ['sampling/createMessage', 'sampling'],
  ['roots/list', 'roots'],
])

/** The answer to a server's request; an error of the client goes back as it came. */
export type Reply = { readonly jsonrpc: '2.0'; readonly id: JsonRpcId } & (
  | { readonly result: JsonObject }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }
)

export interface ServerTrafficOptions {
  /** What `initialize` declared; anything else is refused whatever the peer could do. */
  readonly declared: JsonObject
  /** All calls on this connection come from one caller, so a message without a call belongs to that caller too. */
  readonly exclusive: boolean
  readonly onUnsolicited: UnsolicitedListener
  readonly clock: Clock
  /** Carries an answer to the upstream, with the call's credential where there is one. Never rejects. */
  reply(response: Reply, call: InFlightCall | undefined): Promise<void>
}

/**
 * What an upstream says on its own: notifications and requests, led to the peer of the call they belong to. On a shared
 * connection a message that names no call reaches nobody's peer, because guessing would show it to a stranger.
 */
export class ServerTraffic {
  readonly #options: ServerTrafficOptions
  readonly #calls = new Roster<InFlightCall>()
  readonly #asked = new Map<JsonRpcId, AbortController>()
  readonly #news: News
  #answering = 0

  constructor(options: ServerTrafficOptions) {
    this.#options = options
    this.#news = createNews(options.clock, options.onUnsolicited)
  }

  get calls(): Pick<Roster<InFlightCall>, 'find' | 'values'> {
    return this.#calls
  }

  /** From now until disposed, messages can belong to this call. */
  track(call: InFlightCall): Disposable {
    return { [Symbol.dispose]: this.#calls.enter(call) }
  }

  /** The connection is over: what was put off is dropped. */
  close(): void {
    this.#news.close()
  }

  /** `streamOf`: the call on whose own stream it came, where the transport has one per call. */
  hear(message: JsonRpcRequest | JsonRpcNotification, streamOf?: InFlightCall): void {
    if (!isRequest(message)) return this.#notice(message, streamOf)
    // Each answer is a message of its own: who asks faster than it can be told is not answered.
    if (this.#answering < maxAnswersAtOnce) void this.#answer(message, streamOf)
  }

  #notice(notification: JsonRpcNotification, streamOf: InFlightCall | undefined): void {
    const { method, params = {} } = notification
    if (method === 'notifications/progress') return this.#byToken(params)?.progress(params)
    if (method === 'notifications/cancelled') return this.#withdraw(params)
    const call = isAboutTheServer(method) ? undefined : (streamOf ?? this.#owner())
    // What nobody behind a call can hear may still be for whoever the connection belongs to.
    if (call === undefined || call.peer === silentPeer) return this.#news.hear(notification)
    call.peer.notify(notification)
  }

  #byToken({ progressToken }: JsonObject): InFlightCall | undefined {
    return this.#calls.find(({ id }) => id === progressToken)
  }

  #withdraw({ requestId }: JsonObject): void {
    if (typeof requestId === 'number' || typeof requestId === 'string') this.#asked.get(requestId)?.abort()
  }

  /**
   * The latest call of the one caller: the best there is where the transport does not tell. What the gateway asks on its own
   * account, lists above all, has nobody behind it who could hear or answer, and is passed over where there is another.
   */
  #owner(): InFlightCall | undefined {
    if (!this.#options.exclusive) return undefined
    const standing = this.#calls.values().filter(({ cancellation }) => !cancellation.aborted)
    const calls = standing.toSorted((left, right) => left.id - right.id)
    return calls.findLast(({ peer }) => peer !== silentPeer) ?? calls.at(-1)
  }

  async #answer(request: JsonRpcRequest, streamOf: InFlightCall | undefined): Promise<void> {
    const { id } = request
    const call = streamOf ?? this.#owner()
    this.#answering += 1
    try {
      const result = request.method === 'ping' ? {} : await this.#ask(request, streamOf)
      await this.#options.reply({ jsonrpc: '2.0', id, result }, call)
    } catch (error) {
      // The failure is the upstream's answer; the call it belongs to goes on.
      await this.#options.reply({ jsonrpc: '2.0', id, error: errorBody(error) }, call)
    } finally {
      this.#answering -= 1
    }
  }

  async #ask({ id, method, params }: JsonRpcRequest, streamOf: InFlightCall | undefined): Promise<JsonObject> {
    const capability = capabilityFor.get(method)
    if (capability === undefined || !Object.hasOwn(this.#options.declared, capability)) throw unanswerable(method)
    if (this.#asked.size >= maxPendingServerRequests) {
      throw new GatewayError('OVERLOADED', 'Too many requests wait for this client.')
    }
    const withdrawn = new AbortController()
    this.#asked.set(id, withdrawn)
    const request = params === undefined ? { method } : { method, params }
    try {
      // A call that was guessed at, and ends meanwhile, does not take the question with it: each turn costs one call.
      for (;;) {
        const call = streamOf ?? this.#owner()
        if (call === undefined) throw unanswerable(method)
        using _ = call.hold()
        try {
          const signal = AbortSignal.any([withdrawn.signal, call.signal])
          return await call.peer.request(request, { signal })
        } catch (error) {
          const isOver = streamOf === undefined && call.signal.aborted && !withdrawn.signal.aborted
          if (!isOver || this.#owner() === undefined) throw error
        }
      }
    } finally {
      this.#asked.delete(id)
    }
  }
}

function unanswerable(method: string): GatewayError {
  return new GatewayError('METHOD_NOT_FOUND', `This client does not answer "${method}".`)
}

function errorBody(error: unknown): { code: number; message: string; data?: unknown } {
  if (!(error instanceof GatewayError)) return { code: jsonRpcCodes.internalError, message: 'The client failed.' }
  if (error.details.upstream !== undefined) return error.details.upstream
  const unknown = error.code === 'METHOD_NOT_FOUND'
  return { code: unknown ? jsonRpcCodes.methodNotFound : jsonRpcCodes.internalError, message: error.message }
}
