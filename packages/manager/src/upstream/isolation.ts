import type { Caller, Isolation, JsonObject, Peer, ProtocolEra } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'

export interface IsolationRequest {
  readonly server: ManagedServer
  /** Absent for discovery. */
  readonly caller: Caller | undefined
  /** This revision of the server has been seen to keep no session for this credential; false while nobody knows. */
  readonly sessionless: boolean
  /** Shared with no other caller, whatever the server and its operator say. */
  readonly perCaller?: boolean | undefined
  /** What the connection will speak; absent while nobody knows. */
  readonly era?: ProtocolEra | undefined
}

/** Of two eras, a session keeps its own: only there the server can ask it back. Everybody else gains by the newer one. */
export function wantedEra(caller: Caller | undefined): ProtocolEra {
  return caller?.peer.sessionId === undefined ? 'modern' : 'legacy'
}

/**
 * How far one connection to this server is shared on behalf of this caller. What the operator declared wins; else one
 * per downstream session where the server may ask the client back, one per principal where the server keeps state or
 * might, one for all where it does not. A caller without a session gets its principal's, and where it can be asked back
 * all the same a connection for the one call. In the modern era nothing is asked and nothing kept.
 */
export function isolationFor({ perCaller = false, ...request }: IsolationRequest): Isolation {
  const isolation = sharedAs(request)
  if (!perCaller || isolation !== 'server' || request.era === 'modern') return isolation
  return request.caller?.peer.sessionId === undefined ? 'principal' : 'session'
}

function sharedAs({ server, caller, sessionless, era }: IsolationRequest): Isolation {
  if (caller === undefined) return 'server'
  const asks = era !== 'modern' && hasWayBack(server, caller)
  const declared = server.isolation ?? (asks ? 'session' : undefined)
  if (declared === 'session') {
    if (caller.peer.sessionId !== undefined) return 'session'
    return asks ? 'call' : 'principal'
  }
  if (declared !== undefined) return declared
  return server.transport.sharing === 'always' || sessionless || era === 'modern' ? 'server' : 'principal'
}

/** What distinguishes connections of one kind. `callId` must be new for each call. */
export function isolatedFor(kind: Isolation, { server, caller, callId }: IsolatedRequest): string | undefined {
  if (kind === 'call') return callId()
  if (kind === 'session') return JSON.stringify([caller?.principal.id, caller?.peer.sessionId])
  if (kind === 'principal') return caller?.principal.id
  // The discovery credential may be another one than the callers'. Without headers there is none to differ.
  return caller === undefined && server.transport.sendsHeaders ? 'discovery' : undefined
}

export interface IsolatedRequest {
  readonly server: ManagedServer
  readonly caller: Caller | undefined
  readonly callId: () => string
}

/**
 * What `initialize` declares on behalf of the caller: what its client can do and the server may use. Only where the
 * connection serves nobody else; a shared one declares nothing, so no server can ask the wrong client.
 */
export function clientCapabilitiesFor(
  kind: Isolation,
  { server, caller }: { server: ManagedServer; caller: Caller | undefined },
): JsonObject {
  if (caller === undefined || !isExclusive(kind)) return {}
  return usableCapabilities(server, caller.peer)
}

/** One downstream session, or one call, is all that such a connection serves. */
export function isExclusive(kind: Isolation): boolean {
  return kind === 'session' || kind === 'call'
}

/** This caller meets another server than discovery does: servers offer more to a client that can be asked. */
export function seesItsClient(server: ManagedServer, caller: Caller, era?: ProtocolEra): boolean {
  return isExclusive(isolationFor({ server, caller, sessionless: false, era })) && hasWayBack(server, caller)
}

/**
 * Roots alone make no modern client one that is asked: nearly every client has some, and the price would be a connection
 * for each of its calls.
 */
function hasWayBack(server: ManagedServer, { peer }: Caller): boolean {
  const { roots: _roots, ...interactive } = usableCapabilities(server, peer)
  if (peer.era === 'modern') return Object.keys(interactive).length > 0
  return peer.sessionId !== undefined && Object.keys(usableCapabilities(server, peer)).length > 0
}

/** Whatever this server may ask of any client. */
export function askable({
  allowElicitation,
  allowSampling,
}: Pick<ManagedServer, 'allowElicitation' | 'allowSampling'>) {
  return {
    ...(allowElicitation && { elicitation: { form: {}, url: {} } }),
    ...(allowSampling && { sampling: {} }),
    roots: {},
  }
}

/** What a client can do and this server may use. */
export function usableCapabilities(
  server: ManagedServer,
  { capabilities: { elicitation, sampling, roots } }: Pick<Peer, 'capabilities'>,
): JsonObject {
  return {
    ...(elicitation !== undefined && server.allowElicitation && { elicitation }),
    ...(sampling !== undefined && server.allowSampling && { sampling }),
    ...(roots !== undefined && { roots }),
  }
}
