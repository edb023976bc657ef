import {
  type Clock,
  GatewayError,
  isJsonObject,
  isJsonRpcMessage,
  isResponse,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type JsonRpcResponse,
  type Logger,
  Roster,
  type Secret,
  silentPeer,
  untilAborted,
} from '@toolgate/core'
import { type Connection, type Handshake, SessionExpired, type UpstreamRequest } from './connection.ts'
import {
  busy,
  type FailurePlace,
  outboundFailed,
  outOfProtocol,
  stageOf,
  unreachable,
  upstreamError,
} from './failure.ts'
import type { HandshakeLink, NotificationDelivery } from './handshake.ts'
import { InFlightCall } from './in-flight-call.ts'
import { isNestedTooDeep, maxNesting } from './nesting.ts'
import { type Reply, ServerTraffic, type ServerTrafficOptions } from './server-traffic.ts'

/** Calls that wait for an answer on one connection; more are refused. */
const maxPendingCalls = 1024

/**
 * Milliseconds that a server has to answer a `ping` after a call ran out of time. Generous: a server that is merely slow
 * keeps its session, and with it the calls of others.
 */
const aliveMs = 15_000

/** Milliseconds that a message may go on being sent after its call was answered; then it is given up. */
const lingerMs = 1_000

/** Carries whole messages one way, with the headers of the call they belong to, where there are headers at all. */
export interface MessageWire {
  /** `sender`: aborts when it waits no longer; absent for what is said on the side, which nobody waits for. */
  send(
    message: object,
    headers: ReadonlyMap<string, Secret> | undefined,
    sender?: { readonly signal: AbortSignal },
  ): Promise<void>
  close(): Promise<void>
}

export interface MessageConnectionOptions
  extends Pick<ServerTrafficOptions, 'declared' | 'exclusive' | 'onUnsolicited'> {
  readonly server: string
  readonly wire: MessageWire
  readonly clock: Clock
  readonly log: Logger
  /** What the upstream was given beside the headers of a call; kept out of its errors. */
  readonly secrets?: readonly Secret[]
}

/** Why a connection is lost, told to each of its calls. */
export type FailureAt = (place: FailurePlace) => GatewayError

interface AwaitedAnswer {
  readonly id: JsonRpcId
  readonly resolve: (response: JsonRpcResponse) => void
}

/**
 * Matches answers to requests on a connection where everything arrives on one stream (stdio, legacy SSE). Who owns the
 * wire feeds it with {@link receive} and says {@link lost} when it breaks: then every call fails at once. A server that
 * does not answer any more is found out after a call ran out of time, and given up.
 */
export class MessageConnection implements HandshakeLink {
  readonly #options: MessageConnectionOptions
  readonly #traffic: ServerTraffic
  readonly #answers = new Roster<AwaitedAnswer>()
  #nextId = 1
  #open = true
  /** The server forgot the session. What waits may still be answered: a part of the server may know it yet. */
  #expired = false
  #loss: FailureAt = (place) => unreachable(place, { why: 'was disconnected' })
  /** Messages received, whatever they are: signs of life. */
  #heard = 0
  #checking = false

  constructor(options: MessageConnectionOptions) {
    this.#options = options
    const { declared, exclusive, onUnsolicited } = options
    const reply = (response: Reply, call: InFlightCall | undefined) => this.#sendAside(response, call?.headers)
    this.#traffic = new ServerTraffic({ declared, exclusive, onUnsolicited, reply, clock: options.clock })
  }

  /** The finished connection, once hands are shaken. */
  initialised(handshake: Handshake): Connection {
    const isOpen = () => this.open
    return {
      handshake,
      sessionful: true,
      get open() {
        return isOpen()
      },
      request: (request) => this.request(request),
      notify: (notification, delivery) => this.notify(notification, { ...delivery, place: this.#place }),
      close: () => this.close(),
    }
  }

  get open(): boolean {
    return this.#open && !this.#expired
  }

  get #place(): FailurePlace {
    return { server: this.#options.server, stage: 'call' }
  }

  speak(): void {}

  async request(request: UpstreamRequest): Promise<JsonObject> {
    const { server, clock, wire } = this.#options
    const place = { server, stage: stageOf(request.method) }
    if (!this.#open) throw this.#loss(place)
    if (this.#expired) throw new SessionExpired(`MCP server "${server}" no longer knows the session.`)
    if (this.#answers.size >= maxPendingCalls) throw busy(place, 'too many calls are in flight on one connection')
    const call = new InFlightCall(request, { id: this.#nextId++, server, clock })
    const tracked = this.#traffic.track(call)
    const { promise, resolve, reject } = Promise.withResolvers<JsonRpcResponse>()
    const answered = this.#answers.enter({ id: call.id, resolve })
    call.cancellation.addEventListener('abort', () => reject(call.failure))
    const delivery = startDelivery(wire.send(call.message, call.headers, call), reject)
    try {
      return resultOf(await promise, call, this.#options.secrets ?? [])
    } catch (error) {
      if (call.failure !== undefined) this.#withdraw(call, call.failure.code)
      if (call.failure?.code === 'UPSTREAM_TIMEOUT') void this.#giveUpUnlessAlive(call)
      if (error instanceof SessionExpired) this.#expired = true
      throw outboundFailed(call.place, error)
    } finally {
      answered()
      call[Symbol.dispose]()
      tracked[Symbol.dispose]()
      if (delivery.underway) clock.after(lingerMs, () => call.cancellation.abort(answeredAlready()))
    }
  }

  async notify(notification: JsonRpcNotification, { headers, signal, place }: NotificationDelivery): Promise<void> {
    try {
      // Not every wire can take back what it was given.
      await untilAborted(signal, () => this.#options.wire.send(notification, headers, { signal }))
    } catch (error) {
      throw this.#open ? outboundFailed(place, error) : this.#loss(place)
    }
  }

  /**
   * A message of the upstream; one that answers nothing that waits is dropped. False where it is no message at all.
   * `textLength`: characters that it was parsed from, where they were counted.
   */
  receive(message: unknown, textLength?: number): boolean {
    if (!isJsonRpcMessage(message)) return false
    this.#heard += 1
    const tooDeep = isNestedTooDeep(message, textLength)
    if (!isResponse(message)) {
      if (!tooDeep) this.#traffic.hear(message)
      return true
    }
    if (message.id === undefined || message.id === null) return true
    if (tooDeep) this.#refuse(message.id)
    else this.#answers.find(({ id }) => id === message.id)?.resolve(message)
    return true
  }

  /** The wire broke or was closed: every call that waits fails, naming its stage; so does every later one. */
  lost(failure: FailureAt): void {
    if (!this.#open) return
    this.#open = false
    this.#loss = failure
    this.#traffic.close()
    for (const call of this.#traffic.calls.values()) call.fail(failure(call.place))
  }

  async close(): Promise<void> {
    this.lost(this.#loss)
    try {
      await this.#options.wire.close()
    } catch (error) {
      // Closing is final either way; what is left of the wire is the log's.
      this.#options.log.debug(
        { server: this.#options.server, err: error },
        'connection to upstream did not close cleanly',
      )
    }
  }

  /** Tells the server that nobody waits any more; `initialize` must not be cancelled (spec 2025-11-25, Cancellation). */
  #withdraw(call: InFlightCall, reason: string): void {
    if (!this.#open || call.message.method === 'initialize') return
    const params = { requestId: call.id, reason }
    void this.#sendAside({ jsonrpc: '2.0', method: 'notifications/cancelled', params }, call.headers)
  }

  /** Only its own call can tell that an answer is none. */
  #refuse(id: JsonRpcId): void {
    const call = this.#traffic.calls.find((one) => one.id === id)
    call?.fail(outOfProtocol(call.place, `a message nested deeper than ${maxNesting} levels`))
  }

  /** After a call ran out of time: does the server still answer anything? If not, nobody is to wait for it again. */
  async #giveUpUnlessAlive({ headers, message }: InFlightCall): Promise<void> {
    if (this.#checking || !this.#open || message.method === 'initialize') return
    this.#checking = true
    const heardBefore = this.#heard
    try {
      await this.request({
        method: 'ping',
        params: {},
        headers,
        signal: new AbortController().signal,
        idleTimeoutMs: aliveMs,
        totalTimeoutMs: aliveMs,
        peer: silentPeer,
      })
    } catch (error) {
      // Any answer is one, also an error; so is anything else that was said meanwhile.
      const silent = error instanceof GatewayError && error.code === 'UPSTREAM_TIMEOUT'
      if (!silent || this.#heard !== heardBefore) return
      this.#options.log.warn({ server: this.#options.server }, 'upstream answers nothing any more and is given up')
      this.lost((place) => unreachable(place, { why: 'stopped answering and was disconnected' }))
      await this.close()
    } finally {
      this.#checking = false
    }
  }

  async #sendAside(message: object, headers: ReadonlyMap<string, Secret> | undefined): Promise<void> {
    try {
      await this.#options.wire.send(message, headers)
    } catch (error) {
      // Best effort: the call that it belongs to has its own outcome.
      this.#options.log.debug({ server: this.#options.server, err: error }, 'message to upstream was not delivered')
    }
  }
}

/** Whether a message is still being sent. A failure to is told. */
function startDelivery(sending: Promise<void>, failed: (error: unknown) => void): { readonly underway: boolean } {
  const delivery = { underway: true }
  const over = () => {
    delivery.underway = false
  }
  sending.then(over, (error: unknown) => {
    over()
    failed(error)
  })
  return delivery
}

function answeredAlready(): Error {
  return new DOMException('The call was answered before it was delivered.', 'AbortError')
}

function resultOf(response: JsonRpcResponse, { place, headers }: InFlightCall, secrets: readonly Secret[]): JsonObject {
  if ('error' in response) throw upstreamError(place, response.error, [...headers.values(), ...secrets])
  if (!isJsonObject(response.result)) throw outOfProtocol(place, 'a result that is no object')
  return response.result
}
