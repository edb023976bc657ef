import { GatewayError } from '@toolgate/core'
import type { Connection } from '../upstream/connection.ts'
import type { ConnectRequest } from './transport.ts'

/** HTTP statuses of a server that knows nothing of the POST of `initialize` (spec 2025-11-25, Backwards Compatibility). */
const unknownToStreamable = new Set([400, 404, 405])

/** HTTP statuses of a server that has no event stream at this address. */
const unknownToSse = new Set([400, 404, 405, 406, 410, 415])

/** The server answered `initialize` with a status that says it does not speak this transport. */
class SpeaksOtherwise extends Error {
  override readonly name = 'SpeaksOtherwise'
  readonly failure: GatewayError

  constructor(failure: GatewayError) {
    super(failure.message, { cause: failure })
    this.failure = failure
  }
}

/** Marks such a refusal of `initialize` itself. A JSON-RPC error is an MCP server's answer, whatever its status. */
export function refusedAsUnknown(error: unknown): unknown {
  return hasStatus(error, unknownToStreamable) ? new SpeaksOtherwise(error) : error
}

export function isRefusedAsUnknown(error: unknown): boolean {
  return error instanceof SpeaksOtherwise
}

export interface LegacyFallback {
  connect(request: ConnectRequest): Promise<Connection>
  /** The transport that worked last; undefined before one did. */
  readonly transportInUse: 'http' | 'sse' | undefined
}

export interface LegacyFallbackOptions {
  /** Rejects with what {@link refusedAsUnknown} made of the failure. */
  readonly streamable: (request: ConnectRequest) => Promise<Connection>
  readonly sse: (request: ConnectRequest) => Promise<Connection>
}

/**
 * Tries streamable HTTP first and the legacy HTTP+SSE where the server does not know it; what worked is remembered, until
 * the server says that it is that no longer. A refused credential, a server that is down or slow says nothing about its
 * transport and is passed on as it is.
 */
export function createLegacyFallback({ streamable, sse }: LegacyFallbackOptions): LegacyFallback {
  let inUse: 'http' | 'sse' | undefined

  const asSse = async (request: ConnectRequest) => {
    const connection = await sse(request)
    inUse = 'sse'
    return connection
  }

  const asStreamable = async (request: ConnectRequest) => {
    const connection = await streamable(request)
    inUse = 'http'
    return connection
  }

  const remembered = async (request: ConnectRequest) => {
    try {
      return await asSse(request)
    } catch (error) {
      if (!hasStatus(error, unknownToSse)) throw error
      inUse = undefined
      return await asStreamable(request).catch((refusal: unknown) => {
        throw refusal instanceof SpeaksOtherwise ? neither(request, refusal, error) : refusal
      })
    }
  }

  const unknown = async (request: ConnectRequest) => {
    try {
      return await asStreamable(request)
    } catch (refusal) {
      if (!(refusal instanceof SpeaksOtherwise)) throw refusal
      return await asSse(request).catch((error: unknown) => {
        throw isAboutTheTransport(error) ? neither(request, refusal, error) : error
      })
    }
  }

  return {
    connect: (request) => (inUse === 'sse' ? remembered(request) : unknown(request)),
    get transportInUse() {
      return inUse
    },
  }
}

function hasStatus(error: unknown, statuses: ReadonlySet<number>): error is GatewayError {
  if (!(error instanceof GatewayError) || error.code !== 'UPSTREAM_PROTOCOL') return false
  const status = error.details['http_status']
  return typeof status === 'number' && statuses.has(status)
}

/** Others have their own way out: a credential to be had, a caller that left, a server to be asked later. */
function isAboutTheTransport(error: unknown): error is GatewayError {
  return (
    error instanceof GatewayError &&
    (error.code === 'UPSTREAM_PROTOCOL' || error.code === 'UPSTREAM_UNREACHABLE' || error.code === 'UPSTREAM_TIMEOUT')
  )
}

function neither({ server }: ConnectRequest, { failure }: SpeaksOtherwise, legacy: GatewayError): GatewayError {
  return new GatewayError(
    'UPSTREAM_PROTOCOL',
    `MCP server "${server.name}" speaks neither streamable HTTP (${reasonOf(failure)}) nor legacy SSE (${reasonOf(legacy)}).`,
    {
      cause: legacy,
      details: { ...failure.details, server: server.name, stage: 'handshake' },
      ...(failure.internal !== undefined && { internal: failure.internal }),
    },
  )
}

function reasonOf({ message, details }: GatewayError): string {
  const status = details['http_status']
  return typeof status === 'number' ? `HTTP status ${status}` : message
}
