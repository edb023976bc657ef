import {
  type CancelSignal,
  type Clock,
  type JsonObject,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type Logger,
  type Outbound,
  type OutboundResponse,
  type Secret,
  startDeadline,
} from '@toolgate/core'
import { SessionExpired, type UpstreamRequest } from '../../upstream/connection.ts'
import { busy, type FailurePlace, outboundFailed, stageOf, unreachable } from '../../upstream/failure.ts'
import type { HandshakeLink, NotificationDelivery } from '../../upstream/handshake.ts'
import { InFlightCall } from '../../upstream/in-flight-call.ts'
import { type Reply, ServerTraffic, type ServerTrafficOptions } from '../../upstream/server-traffic.ts'
import { addressSecrets } from '../address.ts'
import { drain, readAnswer, succeeded, unbounded } from './answer.ts'
import { type CredentialHeaders, refusalOf } from './refusal.ts'

/** Calls in flight at one server, over all its sessions; more are refused, because each holds a socket. */
export const maxCallsInFlight = 512

/** Milliseconds for what is sent on the side: answers to the server, cancellations, the end of the session. */
export const sideRequestTimeoutMs = 2_000

/** What one server is being sent, shared by all links to it. */
export interface ServerLoad {
  calls: number
}

export interface HttpLinkOptions extends Pick<ServerTrafficOptions, 'declared' | 'exclusive' | 'onUnsolicited'> {
  readonly server: string
  readonly url: string
  readonly load: ServerLoad
  readonly outbound: Outbound
  readonly clock: Clock
  readonly log: Logger
  /** For what belongs to no call; asked anew each time, because a token may have been replaced. */
  readonly credential: () => CredentialHeaders
}

/**
 * JSON-RPC over streamable HTTP POSTs (spec 2025-11-25, Transports): each request goes out with its own credential, its
 * body is written once, its answer parsed once, and nothing inside `params` and `result` is looked at. The session id
 * and the protocol version are the only state.
 */
export class HttpLink implements HandshakeLink {
  readonly traffic: ServerTraffic
  readonly #options: HttpLinkOptions
  #nextId = 1
  #sessionId: string | undefined
  /** Stays true once the session is gone: of several calls in flight within it, each hears so by its own 404. */
  #sessionful = false
  #open = true
  #protocolHeaders: Record<string, string> = {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
  }

  constructor(options: HttpLinkOptions) {
    this.#options = options
    const { declared, exclusive, onUnsolicited } = options
    const reply = (response: Reply, call: InFlightCall | undefined) =>
      this.#sendAside(response, call?.headers ?? options.credential())
    this.traffic = new ServerTraffic({ declared, exclusive, onUnsolicited, reply, clock: options.clock })
  }

  get open(): boolean {
    return this.#open
  }

  get sessionId(): string | undefined {
    return this.#sessionId
  }

  /** From now on every request names the version that was agreed on. */
  speak(protocolVersion: string): void {
    this.#protocolHeaders = { ...this.#protocolHeaders, 'mcp-protocol-version': protocolVersion }
  }

  /** The credential and the protocol's own headers, which win; nothing else goes upstream. */
  headers(credential: CredentialHeaders): Record<string, string> {
    const headers: Record<string, string> = {}
    for (const [name, value] of credential) headers[name] = value.reveal()
    return Object.assign(headers, this.#protocolHeaders)
  }

  async request(request: UpstreamRequest): Promise<JsonObject> {
    const { server, clock, load } = this.#options
    this.#admit({ server, stage: stageOf(request.method) })
    const call = new InFlightCall(request, { id: this.#nextId++, server, clock })
    const tracked = this.traffic.track(call)
    load.calls += 1
    try {
      return await this.#exchange(call)
    } catch (error) {
      if (error instanceof SessionExpired) this.#forget()
      if (call.failure === undefined) throw outboundFailed(call.place, error)
      this.#withdraw(call, call.failure.code)
      throw call.failure
    } finally {
      load.calls -= 1
      call[Symbol.dispose]()
      tracked[Symbol.dispose]()
    }
  }

  /** Sends a notification and waits until the server took it. Rejects with a `GatewayError`. */
  async notify(notification: JsonRpcNotification, { headers, signal, place }: NotificationDelivery): Promise<void> {
    try {
      const response = await this.#post(notification, headers, signal)
      if (!succeeded(response)) throw await this.#refusalOf(response, { place, headers })
      await drain(response)
    } catch (error) {
      throw outboundFailed(place, error)
    }
  }

  /** Ends what is in flight, then the session at the server, best effort within its bound. */
  async close(): Promise<void> {
    this.#open = false
    this.traffic.close()
    for (const call of this.traffic.calls.values()) call.fail(unreachable(call.place, { why: 'was disconnected' }))
    if (this.#sessionId === undefined) return
    const headers = this.headers(this.#options.credential())
    this.#forget()
    try {
      using deadline = startDeadline(this.#options.clock, sideRequestTimeoutMs)
      const { url } = this.#options
      const request = { url, method: 'DELETE', headers, signal: deadline.signal, ...unbounded } as const
      const response = await this.#options.outbound.request(request)
      await drain(response)
    } catch (error) {
      // The server's own expiry ends the session then.
      this.#options.log.debug({ server: this.#options.server, err: error }, 'session could not be ended upstream')
    }
  }

  #admit(place: FailurePlace): void {
    if (!this.#open) throw unreachable(place, { why: 'was disconnected' })
    if (this.#options.load.calls >= maxCallsInFlight) throw busy(place, 'too many calls are in flight there')
  }

  async #exchange(call: InFlightCall): Promise<JsonObject> {
    const response = await this.#post(call.message, call.headers, call.cancellation)
    if (!succeeded(response)) throw await this.#refusalOf(response, call)
    if (call.message.method === 'initialize') this.#remember(response.header('mcp-session-id'))
    const { clock } = this.#options
    return await readAnswer(response, {
      call,
      traffic: this.traffic,
      secrets: () => this.#secrets(call.headers),
      clock,
      resume: (eventId) => this.#resume(call, eventId),
    })
  }

  /** The rest of a call's stream, after this event. The call was taken: whatever goes wrong now, it is not sent again. */
  async #resume(call: InFlightCall, eventId: string): Promise<OutboundResponse> {
    const { outbound, url } = this.#options
    const headers = { ...this.headers(call.headers), accept: 'text/event-stream', 'last-event-id': eventId }
    const response = await outbound.request({ url, method: 'GET', headers, signal: call.cancellation, ...unbounded })
    if (
      succeeded(response) &&
      response.header('content-type')?.toLowerCase().startsWith('text/event-stream') === true
    ) {
      return response
    }
    response.discard()
    throw unreachable(call.place, { why: `ended its event stream and gave no rest of it (HTTP ${response.status})` })
  }

  #secrets(credential: CredentialHeaders): readonly Secret[] {
    return [...credential.values(), ...addressSecrets(this.#options.url)]
  }

  #refusalOf(
    response: OutboundResponse,
    { place, headers: credential }: { place: FailurePlace; headers: CredentialHeaders },
  ): Promise<Error> {
    return refusalOf(response, { place, secrets: this.#secrets(credential), sessionful: this.#sessionful })
  }

  #post(
    message: JsonRpcMessage | Reply,
    credential: CredentialHeaders,
    signal: CancelSignal,
  ): Promise<OutboundResponse> {
    const { outbound, url } = this.#options
    const body = JSON.stringify(message)
    return outbound.request({ url, method: 'POST', headers: this.headers(credential), body, signal, ...unbounded })
  }

  /**
   * Tells the server that nobody waits any more. Only within a session: elsewhere the id names no request, or somebody
   * else's.
   */
  #withdraw(call: InFlightCall, reason: string): void {
    if (this.#sessionId === undefined || call.message.method === 'initialize') return
    const params = { requestId: call.id, reason }
    void this.#sendAside({ jsonrpc: '2.0', method: 'notifications/cancelled', params }, call.headers)
  }

  async #sendAside(message: JsonRpcNotification | Reply, headers: CredentialHeaders): Promise<void> {
    try {
      using deadline = startDeadline(this.#options.clock, sideRequestTimeoutMs)
      const response = await this.#post(message, headers, deadline.signal)
      await drain(response)
    } catch (error) {
      // Best effort: the call that it belongs to has its own outcome.
      this.#options.log.debug({ server: this.#options.server, err: error }, 'message to upstream was not delivered')
    }
  }

  #remember(sessionId: string | undefined): void {
    if (sessionId === undefined) return
    this.#sessionId = sessionId
    this.#sessionful = true
    this.#protocolHeaders = { ...this.#protocolHeaders, 'mcp-session-id': sessionId }
  }

  #forget(): void {
    this.#sessionId = undefined
    this.#open = false
  }
}
