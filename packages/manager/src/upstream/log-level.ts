import { eraOfVersion, silentPeer } from '@toolgate/core'
import { SessionExpired, type UpstreamRequest } from './connection.ts'
import type { Lease } from './pool.ts'

/** Milliseconds that a server has to take a level; the call that it is told for does not wait any longer. */
const tellingMs = 2_000

/** What a connection was told last, and until when that takes. */
export interface ToldLevel {
  last?: { readonly level: string; readonly telling: Promise<void> } | undefined
}

export interface LogLevelFor extends Pick<UpstreamRequest, 'headers' | 'signal'> {
  readonly level: string
}

/**
 * Tells a server of the legacy era the level that the client of this connection wants (`logging/setLevel`), once for each
 * level. Only where the connection is that client's alone: the level of one must not be another's. Rejects with
 * {@link SessionExpired}; any other refusal leaves the level to the gateway's filter.
 */
export async function tellLogLevel(lease: Lease, request: LogLevelFor): Promise<void> {
  const { connection, exclusive, toldLevel } = lease
  const { protocolVersion, capabilities } = connection.handshake
  if (!exclusive || capabilities['logging'] === undefined || eraOfVersion(protocolVersion) === 'modern') return
  if (toldLevel.last?.level === request.level) return toldLevel.last.telling
  const telling = tell(lease, request)
  toldLevel.last = { level: request.level, telling }
  await telling
}

async function tell({ connection, toldLevel }: Lease, { level, headers, signal }: LogLevelFor): Promise<void> {
  try {
    await connection.request({
      method: 'logging/setLevel',
      params: { level },
      headers,
      signal,
      idleTimeoutMs: tellingMs,
      totalTimeoutMs: tellingMs,
      peer: silentPeer,
    })
  } catch (error) {
    if (error instanceof SessionExpired) throw error
    // Whoever was to tell it left first: the next call does.
    if (signal.aborted) toldLevel.last = undefined
    // The client hears what the server says by itself, from its level on.
  }
}
