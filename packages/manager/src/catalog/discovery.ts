import {
  type Caller,
  type Clock,
  type Credential,
  eraOfVersion,
  GatewayError,
  jsonRpcCodes,
  type JsonObject,
  silentPeer,
} from '@toolgate/core'
import { type ListKind, listMethods } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Connection, Handshake } from '../upstream/connection.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { withConnection } from '../with-connection.ts'
import { cachingOf } from './caching.ts'
import { lengthOf } from './json-length.ts'
import { emptyListing, type Listing, listingOf } from './listing.ts'

/** Bounds of one list. A server beyond them is refused, because a list cut short would look complete. */
const maxPages = 100
const maxItems = 10_000
/** Characters of several pages together: as many as an answer has. */
const maxLength = 64 * 1024 * 1024

export interface DiscoveryRequest {
  readonly server: ManagedServer
  readonly kind: ListKind
  /** Absent where the service asks for itself. */
  readonly caller: Caller | undefined
  readonly signal: AbortSignal
  /** Tries also where the circuit of the server is open. */
  readonly despiteCircuit: boolean
  resolve(): Promise<Credential>
  /** Told what the server said of itself. */
  met?(handshake: Handshake): void
}

/**
 * Asks one server for everything it offers of one kind. Reading has no effect, so a session that expires between two
 * pages starts the list again. Rejects with a `GatewayError` naming the server.
 */
export async function discover(
  { clock, ...upstreams }: Upstreams & { clock: Clock },
  { server, kind, caller, signal, despiteCircuit, resolve, met }: DiscoveryRequest,
): Promise<Listing> {
  return withConnection(upstreams, {
    server,
    caller,
    signal,
    despiteCircuit,
    resolve,
    use: async (connection, credential) => {
      met?.(connection.handshake)
      const request = { server, kind, credential, signal, clock }
      if (connection.handshake.capabilities[listMethods[kind].capability] !== undefined) {
        const { handshake } = connection
        const pages = await readPages(connection, request)
        const items = pages.flatMap((page) => page[kind] ?? [])
        const caching = cachingOf(kind, pages, handshake)
        return { ...listingOf(kind, items, eraOfVersion(handshake.protocolVersion)), ...(caching && { caching }) }
      }
      // The list of tools is the health probe: that there are none must not come from a connection that died long ago.
      if (kind === 'tools' && caller === undefined) await ping(connection, request)
      return emptyListing
    },
    asked: (listing) => listing !== emptyListing || (kind === 'tools' && caller === undefined),
  })
}

/** Spec 2025-11-25, Ping: every party answers it. One that answers with an error is there as well. */
async function ping(connection: Connection, { server, credential, signal }: ListRequest): Promise<void> {
  const { listMs } = server.timeouts
  try {
    await connection.request({
      method: 'ping',
      params: {},
      headers: credential.headers(),
      signal,
      idleTimeoutMs: listMs,
      totalTimeoutMs: listMs,
      peer: silentPeer,
    })
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'UPSTREAM_ERROR') throw error
  }
}

interface ListRequest {
  readonly server: ManagedServer
  readonly kind: ListKind
  readonly credential: Credential
  readonly signal: AbortSignal
  readonly clock: Clock
}

async function readPages(connection: Connection, request: ListRequest): Promise<readonly JsonObject[]> {
  const { server, kind, clock } = request
  const deadline = clock.monotonic() + server.timeouts.listMs
  const pages: JsonObject[] = []
  let items = 0
  let length = 0
  const seen = new Set<string>()
  let params: JsonObject = {}
  while (seen.size < maxPages) {
    const page = await readPage(connection, { ...request, params, timeLeftMs: deadline - clock.monotonic() })
    const found = page[kind]
    if (!Array.isArray(found)) throw protocolError(request, `a result without "${kind}"`)
    items += found.length
    if (items > maxItems) throw protocolError(request, `more than ${maxItems} items`)
    pages.push(page)
    const cursor = page['nextCursor']
    // Some servers end with `null` or an empty string where the spec has no field.
    const isLast = cursor === undefined || cursor === null || cursor === ''
    // One page is no more than an answer may be.
    if (!isLast || pages.length > 1) length += lengthOf(page, maxLength - length)
    if (length > maxLength) throw protocolError(request, `more than ${maxLength} characters`)
    if (isLast) return pages
    if (typeof cursor !== 'string') throw protocolError(request, 'a cursor that is not a string')
    if (seen.has(cursor)) throw protocolError(request, 'the same cursor twice')
    seen.add(cursor)
    params = { cursor }
  }
  throw protocolError(request, `more than ${maxPages} pages`)
}

async function readPage(
  connection: Connection,
  { server, kind, credential, signal, params, timeLeftMs }: ListRequest & { params: JsonObject; timeLeftMs: number },
): Promise<JsonObject> {
  const { listMs } = server.timeouts
  if (timeLeftMs <= 0) {
    throw new GatewayError('UPSTREAM_TIMEOUT', `MCP server "${server.name}" took more than ${listMs} ms to list.`, {
      details: { server: server.name, stage: 'list' },
    })
  }
  try {
    return await connection.request({
      method: listMethods[kind].method,
      params,
      headers: credential.headers(),
      signal,
      idleTimeoutMs: Math.min(listMs, timeLeftMs),
      totalTimeoutMs: timeLeftMs,
      peer: silentPeer,
    })
  } catch (error) {
    // Templates have no capability of their own: a server with resources need not know the method.
    if (kind === 'resourceTemplates' && isMethodNotFound(error)) return { [kind]: [] }
    throw error
  }
}

function isMethodNotFound(error: unknown): boolean {
  return error instanceof GatewayError && error.details.upstream?.code === jsonRpcCodes.methodNotFound
}

function protocolError({ server, kind }: ListRequest, what: string): GatewayError {
  return new GatewayError(
    'UPSTREAM_PROTOCOL',
    `MCP server "${server.name}" answered ${listMethods[kind].method} with ${what}.`,
    { details: { server: server.name, stage: 'list' } },
  )
}
