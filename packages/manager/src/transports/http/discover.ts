import { SERVER_INFO_META_KEY } from '@modelcontextprotocol/client'
import { GatewayError, isJsonObject, type JsonObject, modernProtocolVersion, silentPeer } from '@toolgate/core'
import type { Handshake } from '../../upstream/connection.ts'
import type { ConnectRequest } from '../transport.ts'
import type { ModernLink } from './modern-link.ts'

/**
 * `server/discover` (spec 2026-07-28, Discovery), within the bound of a handshake. Undefined where the server answered, and what it answered is
 * no such thing: it is of the legacy era. Rejects with a `GatewayError` where it did not get to answer.
 */
export async function discoverServer(
  link: ModernLink,
  { server, credential, signal }: ConnectRequest,
): Promise<Handshake | undefined> {
  const { handshakeMs } = server.timeouts
  try {
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
  } catch (error) {
    if (isAnswer(error)) return undefined
    throw error
  }
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
