import { isJsonObject, type JsonObject, type Logger, silentPeer } from '@toolgate/core'
import { announced } from '../../modern/announced.ts'
import { withEnvelope } from '../../modern/envelope.ts'
import type { Connection, Handshake, UpstreamRequest } from '../../upstream/connection.ts'
import type { MessageConnection } from '../../upstream/message-connection.ts'
import type { ClientInfo } from '../transport.ts'

/** Milliseconds that a subscription may last: as long as a timer goes, since the process ends it. */
const foreverMs = 2 ** 31 - 1

export interface ModernMessages {
  readonly clientInfo: ClientInfo
  /** What the client of a request that does not say it can do. */
  readonly declared: JsonObject
  readonly log: Logger
}

/**
 * Requests of the modern era over pipes (spec 2026-07-28, stdio): the same messages, each with who asks and what the client
 * can do in its `_meta`. There is no handshake, and nothing is told outside requests but what was subscribed to.
 */
export function modernRequests(
  connection: MessageConnection,
  { clientInfo, declared }: Omit<ModernMessages, 'log'>,
): Pick<Connection, 'request'> {
  return {
    request({ params, clientCapabilities = declared, peer, ...request }: UpstreamRequest) {
      const envelope = { clientInfo: { ...clientInfo }, clientCapabilities, logLevel: peer.logLevel }
      return connection.request({ ...request, peer, params: withEnvelope(params, envelope) })
    },
  }
}

/** The finished connection, once the server said what it is. It hears of lists that change. */
export function modernConnection(
  connection: MessageConnection,
  handshake: Handshake,
  { log, ...messages }: ModernMessages,
): Connection {
  const { request } = modernRequests(connection, messages)
  const notifications = announced(handshake)
  if (notifications !== undefined) void subscribe({ request }, notifications, log)
  return {
    ...connection.initialised(withoutSubscriptions(handshake)),
    get open() {
      return connection.open
    },
    request,
    notify: async () => {},
  }
}

/** Of single resources nobody is told here, and so it is not offered. */
function withoutSubscriptions(handshake: Handshake): Handshake {
  const { resources } = handshake.capabilities
  if (!isJsonObject(resources)) return handshake
  const { subscribe: _, ...kept } = resources
  return { ...handshake, capabilities: { ...handshake.capabilities, resources: kept } }
}

async function subscribe(
  { request }: Pick<Connection, 'request'>,
  notifications: JsonObject,
  log: Logger,
): Promise<void> {
  try {
    await request({
      method: 'subscriptions/listen',
      params: { notifications },
      headers: new Map(),
      signal: new AbortController().signal,
      idleTimeoutMs: foreverMs,
      totalTimeoutMs: foreverMs,
      peer: silentPeer,
    })
  } catch (error) {
    // Unsolicited news is a convenience: catalogs expire by themselves as well.
    log.debug({ err: error }, 'subscription to what a child process announces ended')
  }
}
