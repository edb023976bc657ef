import {
  type Clock,
  isJsonObject,
  isJsonRpcMessage,
  isResponse,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type JsonRpcResponse,
  type Logger,
  type Secret,
} from '@toolgate/core'
import { type Connection, type Handshake, SessionExpired, type UpstreamRequest } from './connection.ts'
import { busy, outboundFailed, outOfProtocol, stageOf, unreachable, upstreamError } from './failure.ts'
import type { HandshakeLink, NotificationDelivery } from './handshake.ts'
import { InFlightCall } from './in-flight-call.ts'
import { type Reply, ServerTraffic, type ServerTrafficOptions } from './server-traffic.ts'

/** Calls that wait for an answer on one connection; more are refused. */
const maxPendingCalls = 1024

/** Carries whole messages one way, with the headers of the call they belong to, where there are headers at all. */
export interface MessageWire {
  send(message: object, headers: ReadonlyMap<string, Secret> | undefined): Promise<void>
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

/**
 * Matches answers to requests on a connection where everything arrives on one stream (stdio, legacy SSE). Who owns the
 * wire feeds it with {@link receive} and says {@link lost} when it breaks: then every call fails at once.
 */
export class MessageConnection implements HandshakeLink {
  readonly #options: MessageConnectionOptions
  readonly #traffic: ServerTraffic
  readonly #answers = new Map<JsonRpcId, (response: JsonRpcResponse) => void>()
  #nextId = 1
  #open = true
  #loss: { why: string; internal?: string } = { why: 'was disconnected' }

  constructor(options: MessageConnectionOptions) {
    this.#options = options
    const { declared, exclusive, onUnsolicited } = options
    const reply = (response: Reply, call: InFlightCall | undefined) => this.#sendAside(response, call?.headers)
    this.#traffic = new ServerTraffic({ declared, exclusive, onUnsolicited, reply })
  }

  /** The finished connection, once hands are shaken. */
  initialised(handshake: Handshake): Connection {
    const isOpen = () => this.#open
    return {
      handshake,
      sessionful: true,
      get open() {
        return isOpen()
      },
      request: (request) => this.request(request),
      close: () => this.close(),
    }
  }

  speak(): void {}

  async request(request: UpstreamRequest): Promise<JsonObject> {
    const { server, clock, wire } = this.#options
    const place = { server, stage: stageOf(request.method) }
    if (!this.#open) throw unreachable(place, this.#loss)
    if (this.#answers.size >= maxPendingCalls) throw busy(place, 'too many calls are in flight on one connection')
    const call = new InFlightCall(request, { id: this.#nextId++, server, clock })
    const tracked = this.#traffic.track(call)
    const { promise, resolve, reject } = Promise.withResolvers<JsonRpcResponse>()
    this.#answers.set(call.id, resolve)
    call.signal.addEventListener('abort', () => reject(call.failure), { once: true })
    try {
      wire.send(call.message, call.headers).catch(reject)
      return resultOf(await promise, call, this.#options.secrets ?? [])
    } catch (error) {
      if (call.failure !== undefined) this.#withdraw(call, call.failure.code)
      if (error instanceof SessionExpired) this.#open = false
      throw outboundFailed(call.place, error)
    } finally {
      this.#answers.delete(call.id)
      call[Symbol.dispose]()
      tracked[Symbol.dispose]()
    }
  }

  async notify(notification: JsonRpcNotification, { headers, place }: NotificationDelivery): Promise<void> {
    try {
      await this.#options.wire.send(notification, headers)
    } catch (error) {
      throw this.#open ? outboundFailed(place, error) : unreachable(place, this.#loss)
    }
  }

  /** A message of the upstream. What is none, or answers nothing that waits, is dropped. */
  receive(message: unknown): void {
    if (!isJsonRpcMessage(message)) return
    if (!isResponse(message)) return this.#traffic.hear(message)
    if (message.id === undefined || message.id === null) return
    this.#answers.get(message.id)?.(message)
  }

  /** The wire broke or was closed: every call that waits fails, naming its stage; so does every later one. */
  lost(loss: { why: string; internal?: string }): void {
    if (!this.#open) return
    this.#open = false
    this.#loss = loss
    for (const call of this.#traffic.calls.values()) call.fail(unreachable(call.place, loss))
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

  async #sendAside(message: object, headers: ReadonlyMap<string, Secret> | undefined): Promise<void> {
    try {
      await this.#options.wire.send(message, headers)
    } catch (error) {
      // Best effort: the call that it belongs to has its own outcome.
      this.#options.log.debug({ server: this.#options.server, err: error }, 'message to upstream was not delivered')
    }
  }
}

function resultOf(response: JsonRpcResponse, { place, headers }: InFlightCall, secrets: readonly Secret[]): JsonObject {
  if ('error' in response) throw upstreamError(place, response.error, [...headers.values(), ...secrets])
  if (!isJsonObject(response.result)) throw outOfProtocol(place, 'a result that is no object')
  return response.result
}
