import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject, type JsonRpcNotification, type Secret, silentPeer } from '@toolgate/core'
import type { ClientInfo, ConnectRequest, TransportOptions } from '../transports/transport.ts'
import type { Handshake, UpstreamRequest } from './connection.ts'
import { type FailurePlace, outOfProtocol } from './failure.ts'
import { withinStage } from './within-stage.ts'

/** `params` of `initialize`, offering the newest version of the era that has a handshake. */
function initializeParams(clientCapabilities: JsonObject, { name, version }: ClientInfo): JsonObject {
  return {
    protocolVersion: LATEST_PROTOCOL_VERSION,
    capabilities: clientCapabilities,
    clientInfo: { name, version },
  }
}

/** The server may answer with an older version; one we do not speak ends it (spec 2025-11-25, Lifecycle). */
function readHandshake(server: string, result: JsonObject): Handshake {
  const { protocolVersion, capabilities, serverInfo, instructions } = result
  if (typeof protocolVersion !== 'string' || !SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion)) {
    const spoken = SUPPORTED_PROTOCOL_VERSIONS.join(', ')
    throw outOfProtocol({ server, stage: 'handshake' }, `a protocol version that is none of ${spoken}`)
  }
  return {
    protocolVersion,
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    serverInfo: isJsonObject(serverInfo) ? serverInfo : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

/** What a handshake needs of whatever carries it. */
export interface HandshakeLink {
  request(request: UpstreamRequest): Promise<JsonObject>
  notify(notification: JsonRpcNotification, delivery: NotificationDelivery): Promise<void>
  /** The version is agreed on: everything after `initialize` may have to name it. */
  speak(protocolVersion: string): void
}

export interface NotificationDelivery {
  readonly headers: ReadonlyMap<string, Secret>
  readonly signal: AbortSignal
  readonly place: FailurePlace
}

export interface Introduction extends Pick<TransportOptions, 'clock' | 'clientInfo'> {
  readonly request: ConnectRequest
  readonly ms: number
}

/** `initialize` and `notifications/initialized`, within `ms` together. Rejects with a `GatewayError` of that stage. */
export async function shakeHands(
  link: HandshakeLink,
  { request, clock, clientInfo, ms }: Introduction,
): Promise<Handshake> {
  const { server, credential, clientCapabilities } = request
  const place = { server: server.name, stage: 'handshake' } as const
  const headers = credential.headers()
  return withinStage({ clock, ms, place, signal: request.signal }, async (signal) => {
    const result = await link.request({
      method: 'initialize',
      params: initializeParams(clientCapabilities, clientInfo),
      headers,
      signal,
      idleTimeoutMs: ms,
      totalTimeoutMs: ms,
      peer: silentPeer,
    })
    const handshake = readHandshake(server.name, result)
    link.speak(handshake.protocolVersion)
    await link.notify({ jsonrpc: '2.0', method: 'notifications/initialized' }, { headers, signal, place })
    return handshake
  })
}
