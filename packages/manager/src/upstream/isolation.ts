import type { Caller, Isolation, JsonObject } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'

export interface IsolationRequest {
  readonly server: ManagedServer
  /** Absent for discovery. */
  readonly caller: Caller | undefined
  /** This revision of the server has been seen to keep no session for this credential; false while nobody knows. */
  readonly sessionless: boolean
}

/**
 * How far one connection to this server is shared on behalf of this caller. What the operator declared wins; else one
 * per downstream session where the server may ask the client back, one per principal where the server keeps state or
 * might, one for all where it does not. A caller without a session gets its principal's.
 */
export function isolationFor({ server, caller, sessionless }: IsolationRequest): Isolation {
  if (caller === undefined) return 'server'
  const declared = server.isolation ?? (hasWayBack(server, caller) ? 'session' : undefined)
  if (declared === 'session') return caller.peer.sessionId === undefined ? 'principal' : 'session'
  if (declared !== undefined) return declared
  return server.transport.sharing === 'always' || sessionless ? 'server' : 'principal'
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
  return usableCapabilities(server, caller)
}

/** One downstream session, or one call, is all that such a connection serves. */
export function isExclusive(kind: Isolation): boolean {
  return kind === 'session' || kind === 'call'
}

/** This caller's session meets another server than discovery does: servers offer more to a client that can be asked. */
export function seesItsClient(server: ManagedServer, caller: Caller): boolean {
  return isolationFor({ server, caller, sessionless: false }) === 'session' && hasWayBack(server, caller)
}

function hasWayBack(server: ManagedServer, caller: Caller): boolean {
  return caller.peer.sessionId !== undefined && Object.keys(usableCapabilities(server, caller)).length > 0
}

function usableCapabilities(server: ManagedServer, { peer }: Caller): JsonObject {
  const { elicitation, sampling, roots } = peer.capabilities
  return {
    ...(elicitation !== undefined && server.allowElicitation && { elicitation }),
    ...(sampling !== undefined && server.allowSampling && { sampling }),
    ...(roots !== undefined && { roots }),
  }
}
