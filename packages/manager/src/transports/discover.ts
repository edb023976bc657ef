import { SERVER_INFO_META_KEY, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/client'
import {
  GatewayError,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  modernProtocolVersion,
  silentPeer,
} from '@toolgate/core'
import { modernCodes } from '../modern/codes.ts'
import type { Connection, Handshake } from '../upstream/connection.ts'
import { outOfProtocol } from '../upstream/failure.ts'
import type { ConnectRequest } from './transport.ts'

/** Whatever carries a request of the modern era. */
type ModernCarrier = Pick<Connection, 'request'>

/**
 * `server/discover` (spec 2026-07-28, Discovery), within the bound of a handshake. Undefined where the server answered, and what it answered is
 * no such thing: it is of the legacy era. Rejects with a `GatewayError` where it did not get to answer, or speaks no
 * version that is spoken here.
 */
export async function discoverServer(link: ModernCarrier, request: ConnectRequest): Promise<Handshake | undefined> {
  try {
    return await ask(link, request)
  } catch (error) {
    const offered = offeredVersions(error)
    if (offered === undefined) return legacyOr(error)
    if (offered.includes(modernProtocolVersion)) return askAgain(link, request)
    return legacyAmong(offered, request)
  }
}

async function ask(
  link: ModernCarrier,
  { server, credential, signal }: ConnectRequest,
): Promise<Handshake | undefined> {
  const { handshakeMs } = server.timeouts
  const result = await link.request({
    method: 'server/discover',
    params: {},
    headers: credential.headers(),
    signal,
    idleTimeoutMs: handshakeMs,
    totalTimeoutMs: handshakeMs,
    peer: silentPeer,
  })
  return readDiscovery(result)
}

/** It refused the version that it then offered: once more in that version, and not in an older one. */
async function askAgain(link: ModernCarrier, request: ConnectRequest): Promise<Handshake | undefined> {
  try {
    return await ask(link, request)
  } catch (error) {
    const offered = offeredVersions(error)
    return offered === undefined ? legacyOr(error) : legacyAmong(offered, request)
  }
}

/** The versions that a server speaks by its own word, as it refuses the one it was asked in (spec 2026-07-28, Versioning). */
function offeredVersions(error: unknown): readonly JsonValue[] | undefined {
  if (!(error instanceof GatewayError)) return undefined
  const { upstream } = error.details
  if (upstream?.code !== modernCodes.unsupportedProtocolVersion || !isJsonObject(upstream.data)) return undefined
  const { supported } = upstream.data
  return Array.isArray(supported) ? supported : undefined
}

function legacyAmong(offered: readonly JsonValue[], { server }: ConnectRequest): undefined {
  if (offered.some((version) => typeof version === 'string' && SUPPORTED_PROTOCOL_VERSIONS.includes(version))) return
  throw outOfProtocol({ server: server.name, stage: 'handshake' }, 'protocol versions of which none is usable here')
}

/** A refusal of the method is an answer. */
function legacyOr(error: unknown): undefined {
  if (!isAnswer(error)) throw error
}

function readDiscovery({
  supportedVersions,
  capabilities,
  instructions,
  _meta: meta,
}: JsonObject): Handshake | undefined {
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(modernProtocolVersion)) return undefined
  const serverInfo = isJsonObject(meta) ? meta[SERVER_INFO_META_KEY] : undefined
  return {
    protocolVersion: modernProtocolVersion,
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    serverInfo: isJsonObject(serverInfo) ? serverInfo : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

/** A refusal of the method, or something that no MCP server of the new era says. A server in trouble answers nothing. */
function isAnswer(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false
  const status = error.details['http_status']
  if (error.code === 'UPSTREAM_PROTOCOL') return typeof status !== 'number' || status < 500
  return error.code === 'UPSTREAM_ERROR'
}
