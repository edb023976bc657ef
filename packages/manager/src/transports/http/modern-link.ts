import {
  type CancelSignal,
  GatewayError,
  type JsonObject,
  modernProtocolVersion,
  type OutboundResponse,
  type Secret,
  silentPeer,
} from '@toolgate/core'
import { modernCodes } from '../../modern/codes.ts'
import { withEnvelope } from '../../modern/envelope.ts'
import { encodeHeaderValue } from '../../modern/header-values.ts'
import { nameInHeader } from '../../modern/named-header.ts'
import { type Connection, type Handshake, SessionExpired, type UpstreamRequest } from '../../upstream/connection.ts'
import { busy, type FailurePlace, outboundFailed, outOfProtocol, stageOf, unreachable } from '../../upstream/failure.ts'
import { InFlightCall } from '../../upstream/in-flight-call.ts'
import { ServerTraffic } from '../../upstream/server-traffic.ts'
import { addressSecrets } from '../address.ts'
import type { ClientInfo } from '../transport.ts'
import { readAnswer, succeeded, unbounded } from './answer.ts'
import { type HttpLinkOptions, maxCallsInFlight } from './http-link.ts'
import { type CredentialHeaders, refusalOf } from './refusal.ts'
import type { ToolHeaders } from './tool-headers.ts'

export interface ModernLinkOptions extends Omit<HttpLinkOptions, 'exclusive'> {
  readonly clientInfo: ClientInfo
  readonly toolHeaders: ToolHeaders
  /** The server no longer speaks this era. */
  readonly onLost: () => void
}

/**
 * Requests of the modern era over HTTP (spec 2026-07-28, Streamable HTTP): each stands for itself, with who asks and what
 * the client can do in its `_meta`, and with headers that repeat its body. There is no session; to leave a call is to close
 * its stream. Nothing else inside `params` and `result` is looked at.
 */
export class ModernLink {
  readonly traffic: ServerTraffic
  readonly #options: ModernLinkOptions
  #nextId = 1
  #open = true

  constructor(options: ModernLinkOptions) {
    this.#options = options
    // A server of this era asks nothing; one that does is not answered, because there is no way to.
    this.traffic = new ServerTraffic({ ...options, declared: {}, exclusive: false, reply: async () => {} })
  }

  get open(): boolean {
    return this.#open
  }

  connection(handshake: Handshake, close: () => void): Connection {
    const isOpen = () => this.#open
    return {
      handshake,
      sessionful: false,
      get open() {
        return isOpen()
      },
      request: (request) => this.request(request),
      // What the former era tells its servers stands in each request of this one.
      notify: async () => {},
      close: async () => {
        close()
        this.close()
      },
    }
  }

  /** Rejects as {@link Connection.request} does. */
  async request(request: UpstreamRequest): Promise<JsonObject> {
    const before = this.#argumentHeaders(request)
    try {
      return await this.#send(request)
    } catch (error) {
      if (request.method !== 'tools/call' || codeOfUpstream(error) !== modernCodes.headerMismatch) throw error
      // The tool's schema is another than when it was listed, or was never listed here. Nothing was processed.
      await this.#send({ ...request, method: 'tools/list', params: {}, peer: silentPeer })
      if (JSON.stringify(this.#argumentHeaders(request)) === JSON.stringify(before)) throw error
      return this.#send(request)
    }
  }

  /** A request as it goes out; for whoever reads the answer in another way. */
  post(message: { method: string; params: JsonObject } & JsonObject, request: PostOptions): Promise<OutboundResponse> {
    const { outbound, url } = this.#options
    const body = JSON.stringify(message)
    const headers = this.#headers(message, request.headers)
    return outbound.request({ url, method: 'POST', headers, body, signal: request.signal, ...unbounded })
  }

  /** What the gateway says of itself and of the client with each request. */
  enveloped(params: JsonObject, { clientCapabilities, peer }: Partial<UpstreamRequest> = {}): JsonObject {
    const { clientInfo, declared } = this.#options
    return withEnvelope(params, {
      clientInfo: { ...clientInfo },
      clientCapabilities: clientCapabilities ?? declared,
      logLevel: peer?.logLevel,
    })
  }

  async refusal(
    response: OutboundResponse,
    { place, headers }: { readonly place: FailurePlace; readonly headers: CredentialHeaders },
  ): Promise<Error> {
    const { status } = response
    const error = await refusalOf(response, { place, secrets: this.#secrets(headers), sessionful: false })
    // Trouble is no answer about eras, whatever is written on it.
    if (status >= 500 && codeOfUpstream(error) !== undefined && place.stage === 'handshake') {
      return outOfProtocol(place, `HTTP status ${status}`, { facts: { http_status: status } })
    }
    if (place.stage === 'handshake' || !isOfAnotherEra(status, error)) return error
    this.#open = false
    this.#options.onLost()
    return new SessionExpired(`MCP server "${place.server}" no longer speaks ${modernProtocolVersion}.`)
  }

  close(): void {
    this.#open = false
    this.traffic.close()
    for (const call of this.traffic.calls.values()) call.fail(unreachable(call.place, { why: 'was disconnected' }))
  }

  async #send(request: UpstreamRequest): Promise<JsonObject> {
    const { server, clock, load, toolHeaders } = this.#options
    this.#admit({ server, stage: stageOf(request.method) })
    const params = this.enveloped(request.params, request)
    const call = new InFlightCall({ ...request, params }, { id: this.#nextId++, server, clock })
    const tracked = this.traffic.track(call)
    load.calls += 1
    try {
      const result = await this.#exchange(call)
      if (request.method === 'tools/list') toolHeaders.learn(result)
      return result
    } catch (error) {
      throw call.failure ?? outboundFailed(call.place, error)
    } finally {
      load.calls -= 1
      call[Symbol.dispose]()
      tracked[Symbol.dispose]()
    }
  }

  async #exchange(call: InFlightCall): Promise<JsonObject> {
    const { id, method, params = {} } = call.message
    const response = await this.post(
      { jsonrpc: '2.0', id, method, params },
      { headers: call.headers, signal: call.cancellation },
    )
    if (!succeeded(response)) throw await this.refusal(response, call)
    const { clock } = this.#options
    return readAnswer(response, { call, traffic: this.traffic, secrets: () => this.#secrets(call.headers), clock })
  }

  #admit(place: FailurePlace): void {
    if (!this.#open) throw unreachable(place, { why: 'was disconnected' })
    if (this.#options.load.calls >= maxCallsInFlight) throw busy(place, 'too many calls are in flight there')
  }

  /** The credential, and what the protocol wants repeated, which wins; nothing else goes upstream. */
  #headers(message: { method: string; params: JsonObject }, credential: CredentialHeaders): Record<string, string> {
    const headers: Record<string, string> = {}
    for (const [name, value] of credential) headers[name] = value.reveal()
    const name = nameInHeader(message.method, message.params)
    return Object.assign(headers, this.#argumentHeaders(message), {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': modernProtocolVersion,
      'mcp-method': message.method,
      ...(name !== undefined && { 'mcp-name': encodeHeaderValue(name) }),
    })
  }

  #argumentHeaders({ method, params }: { method: string; params: JsonObject }): Record<string, string> {
    return method === 'tools/call' ? this.#options.toolHeaders.headersOf(params) : {}
  }

  #secrets(credential: CredentialHeaders): readonly Secret[] {
    return [...credential.values(), ...addressSecrets(this.#options.url)]
  }
}

interface PostOptions {
  readonly headers: CredentialHeaders
  readonly signal: CancelSignal
}

const statusesOfOtherEras = new Set([400, 404, 405, 406])

/** Legacy servers answer so to a request without a session, or of a version that they never heard of. */
const codesOfOtherEras = new Set<number | undefined>([-32000, -32001, modernCodes.unsupportedProtocolVersion])

/** The request was refused for what it is, and not for what it asks. */
function isOfAnotherEra(status: number, error: Error): boolean {
  if (!statusesOfOtherEras.has(status) || !(error instanceof GatewayError)) return false
  return error.code === 'UPSTREAM_PROTOCOL' || codesOfOtherEras.has(codeOfUpstream(error))
}

function codeOfUpstream(error: unknown): number | undefined {
  return error instanceof GatewayError ? error.details.upstream?.code : undefined
}
