import { Agent, type Dispatcher, errors, fetch as undiciFetch, request as undiciRequest } from 'undici'
import type { AddressGuard } from './address-guard.ts'
import { GatewayError } from './errors.ts'
import { guardedConnector } from './guarded-connector.ts'

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
  close(): Promise<void>
}

export interface OutboundRequest {
  readonly url: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: Record<string, string>
  readonly body?: string | Uint8Array | undefined
  readonly signal: AbortSignal
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
}

const maxRedirects = 3
const redirectsThatKeepTheMethod = new Set([307, 308])

export function createOutbound({ connectTimeoutMs = 10_000, guard }: OutboundOptions = {}): Outbound {
  const connect = { timeout: connectTimeoutMs }
  const dispatcher = new Agent({
    connect: guard === undefined ? connect : guardedConnector(guard, connect),
    // No bound per origin: a request that queues for a socket waits for whoever else talks to that host. Who is sent how
    // much at once is bounded where it is known whose requests these are.
    connections: null,
    keepAliveTimeout: 30_000,
    // With HTTP/2 on, everyone waits behind one connection that negotiates: at an address that never answers, N callers
    // would have N times the bound.
    allowH2: false,
    // `request` says its own bounds, `fetch` is bounded by its signal; undici's 300 s would cut long answers of models.
    headersTimeout: 0,
    bodyTimeout: 0,
  })

  const send = async (request: OutboundRequest, redirectsLeft: number): Promise<OutboundResponse> => {
    const sent = undiciRequest(request.url, {
      dispatcher,
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      signal: request.signal,
      headersTimeout: request.headersTimeoutMs,
      bodyTimeout: request.bodyTimeoutMs,
    })
    const response = await unlessAborted(sent, request.signal)
    if (!isRedirect(response)) return toResponse(response)
    discard(response)
    const next = redirectTarget(request.url, response)
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
    close: () => dispatcher.destroy(),
  }
}

/**
 * Rejects as soon as the signal aborts. undici looks at it when the request is written, which a host that does not
 * accept connections delays by the time to connect.
 */
async function unlessAborted(
  sent: Promise<Dispatcher.ResponseData>,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const leave = () => {
    reject(signal.reason)
    // Nobody waits any more: an answer that still comes is dropped, and so is its failure.
    sent.then(discard, () => {})
  }
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([sent, aborted])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function isRedirect({ statusCode, headers }: Dispatcher.ResponseData): boolean {
  return statusCode >= 300 && statusCode <= 399 && statusCode !== 304 && headers['location'] !== undefined
}

/** Throws where following would carry the credential to another party, or turn a POST into a GET. */
function redirectTarget(from: string, { statusCode, headers }: Dispatcher.ResponseData): string {
  const target = URL.parse(singleHeader(headers['location']) ?? '', from)
  if (target?.origin === new URL(from).origin && redirectsThatKeepTheMethod.has(statusCode)) return target.href
  throw new GatewayError(
    'UPSTREAM_PROTOCOL',
    `Redirect (${statusCode}) to another address refused. Configure the final address.`,
    { internal: `from ${from} to ${target?.origin ?? 'nowhere'}` },
  )
}

function discard({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => {}).destroy()
}

function toResponse(response: Dispatcher.ResponseData): OutboundResponse {
  const { statusCode, headers, body } = response
  return {
    status: statusCode,
    header: (name) => singleHeader(headers[name]),
    body,
    text: (maxBytes) => readText(body, maxBytes),
    discard: () => discard(response),
  }
}

/** By events: an async iterator over every small answer costs more than reading it. */
function readText(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const chunks: Buffer[] = []
  let bytes = 0
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > maxBytes) body.destroy(new GatewayError('UPSTREAM_PROTOCOL', `Answer larger than ${maxBytes} bytes.`))
    else chunks.push(chunk)
  })
  body.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
  body.once('error', reject)
  // Destroyed without an error, by whoever gave it up: whoever still reads must hear of it.
  body.once('close', () => {
    if (!body.readableEnded) reject(new errors.RequestAbortedError())
  })
  return promise
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
