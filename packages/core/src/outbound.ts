import { Agent, errors, fetch as undiciFetch } from 'undici'
import type { AddressGuard } from './address-guard.ts'
import type { CancelSignal } from './cancellation.ts'
import { GatewayError } from './errors.ts'
import { guardedConnector, type ResolveName } from './guarded-connector.ts'
import { Exchange, type ResponseHead } from './outbound-exchange.ts'
import { type Memory, remembering } from './remembering.ts'

/**
 * The only way out of the process over HTTP. Bounds what every caller would forget: time to connect, time to the
 * first header, redirects (same origin, method kept, counted), size of what is read whole. It adds no header of its own and
 * knows no credential.
 *
 * Addresses from the operator's own file are trusted, also private ones; for addresses of others there is `guard`.
 */
export interface Outbound {
  request(request: OutboundRequest): Promise<OutboundResponse>
  /**
   * The same pool for libraries that take a `fetch`. Redirects are errors. Its one bound in time is the signal of the
   * request, so a request without one is a programmer's error.
   */
  readonly fetch: typeof globalThis.fetch
  /** From here on every request dials anew, and asks the guard; what is under way ends on the connection it has. */
  reconnect(): void
  close(): Promise<void>
}

export interface OutboundRequest {
  readonly url: string
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly headers: Record<string, string>
  readonly body?: string | Uint8Array | undefined
  readonly signal: CancelSignal
  /** Milliseconds from the request sent to the response's headers. */
  readonly headersTimeoutMs: number
  /** Milliseconds between two chunks of the body. 0: no bound, for streams that may be quiet. */
  readonly bodyTimeoutMs: number
}

export interface OutboundResponse {
  readonly status: number
  header(name: string): string | undefined
  /** The body as it arrives. Must be read to its end or destroyed with {@link OutboundResponse.discard}. */
  readonly body: AsyncIterable<Uint8Array>
  /** Reads the whole body as UTF-8; over `maxBytes` it is an error and the connection is dropped. */
  text(maxBytes: number): Promise<string>
  discard(): void
}

export interface OutboundOptions {
  readonly connectTimeoutMs?: number
  /** Asked about every IP address before it is dialled; a refusal is `UPSTREAM_UNREACHABLE`. Absent: every address is dialled. */
  readonly guard?: AddressGuard
  /** Beside a guard: what names stand for. */
  readonly resolveName?: ResolveName | undefined
}

const maxRedirects = 3
const redirectsThatKeepTheMethod = new Set([307, 308])
/** RFC 9110 §15.4: these as well, of a request that is a GET already. */
const redirectsToGet = new Set([301, 302, 303])

export function createOutbound({ connectTimeoutMs = 10_000, guard, resolveName }: OutboundOptions = {}): Outbound {
  const connect = { timeout: connectTimeoutMs }
  const connector = guard === undefined ? connect : guardedConnector(guard, { ...connect, resolveName })
  let dispatcher = newAgent(connector)
  const leaving = new Set<Agent>()
  const addressed = remembering(addressOf, addressMemory)

  const send = async (request: OutboundRequest, redirectsLeft: number): Promise<OutboundResponse> => {
    if (request.signal.aborted) throw request.signal.reason
    const options = {
      ...addressed(request.url),
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
    }
    const exchange = new Exchange(request.signal)
    dispatcher.dispatch(options, exchange)
    const head = await exchange.head
    if (!isRedirect(head)) return new ReceivedResponse(head, exchange)
    exchange.discard()
    const next = redirectTarget(request, head)
    if (redirectsLeft === 0) throw new GatewayError('UPSTREAM_PROTOCOL', `More than ${maxRedirects} redirects.`)
    return send({ ...request, url: next }, redirectsLeft - 1)
  }

  return {
    request: (request) => send(request, maxRedirects),
    async fetch(input, { method = 'GET', headers, body, signal } = {}) {
      if (input instanceof Request) throw new TypeError('outbound fetch takes an address, not a Request')
      if (!signal) throw new TypeError('outbound fetch needs a signal')
      if (body && typeof body !== 'string' && !(body instanceof Uint8Array))
        throw new TypeError('outbound fetch sends text or bytes')
      return undiciFetch(input, {
        dispatcher,
        redirect: 'error',
        method,
        headers: [...new Headers(headers)],
        body: body ?? null,
        signal,
      })
    },
    reconnect() {
      const former = dispatcher
      leaving.add(former)
      const gone = () => void leaving.delete(former)
      // It rejects where `close` ends it first: then it is gone as well.
      former.close().then(gone, gone)
      dispatcher = newAgent(connector)
    },
    async close() {
      await Promise.all([dispatcher, ...leaving].map((agent) => agent.destroy()))
    },
  }
}

function newAgent(connect: NonNullable<Agent.Options['connect']>): Agent {
  return new Agent({
    connect,
    // No bound per origin: a request that queues for a socket waits for whoever else talks to that host. Who is sent how
    // much at once is bounded where it is known whose requests these are.
    connections: null,
    keepAliveTimeout: 30_000,
    // A request must not meet a connection that the server is closing: a busy process may be late by more than a second.
    keepAliveTimeoutThreshold: 2_000,
    // With HTTP/2 on, everyone waits behind one connection that negotiates: at an address that never answers, N callers
    // would have N times the bound.
    allowH2: false,
    // `request` says its own bounds, `fetch` is bounded by its signal; undici's 300 s would cut long answers of models.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

/** Nearly all requests go to the few addresses of the configuration. */
const addressMemory: Memory = { most: 256, longest: 2048 }

/** Throws where the text is no address. */
function addressOf(url: string): { readonly origin: string; readonly path: string } {
  const { origin, pathname, search } = new URL(url)
  return { origin, path: `${pathname}${search}` }
}

function isRedirect({ status, headers }: ResponseHead): boolean {
  return status >= 300 && status <= 399 && status !== 304 && headers['location'] !== undefined
}

/** Throws where following would carry the credential to another party, or turn a POST into a GET. */
function redirectTarget({ url: from, method }: OutboundRequest, { status, headers }: ResponseHead): string {
  const target = URL.parse(singleHeader(headers['location']) ?? '', from)
  const isRead = method === 'GET' || method === 'HEAD'
  const keepsMethod = redirectsThatKeepTheMethod.has(status) || (isRead && redirectsToGet.has(status))
  if (target?.origin === new URL(from).origin && keepsMethod) return target.href
  throw new GatewayError(
    'UPSTREAM_PROTOCOL',
    `Redirect (${status}) to another address refused. Configure the final address.`,
    { internal: `from ${from} to ${target?.origin ?? 'nowhere'}` },
  )
}

/**
 * A class for its getter: an object literal with one is a shape of its own each time it is made, and shapes keep what they
 * were made for, and all that leads to, until old memory is collected.
 */
class ReceivedResponse implements OutboundResponse {
  readonly status: number
  readonly #headers: ResponseHead['headers']
  readonly #exchange: Exchange

  constructor({ status, headers }: ResponseHead, exchange: Exchange) {
    this.status = status
    this.#headers = headers
    this.#exchange = exchange
  }

  header(name: string): string | undefined {
    return singleHeader(this.#headers[name])
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#exchange.body()
  }

  text(maxBytes: number): Promise<string> {
    return this.#exchange.text(maxBytes)
  }

  discard(): void {
    this.#exchange.discard()
  }
}

function singleHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

/** What went wrong on the way, for the caller to turn into an error that names its server and stage. */
export type OutboundFailure = 'timeout' | 'cancelled' | 'unreachable'

export function classifyOutboundFailure(error: unknown): OutboundFailure {
  if (error instanceof errors.ConnectTimeoutError) return 'timeout'
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return 'timeout'
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'timeout'
  if (error instanceof errors.RequestAbortedError) return 'cancelled'
  if (error instanceof DOMException && error.name === 'AbortError') return 'cancelled'
  return 'unreachable'
}
