import type { Caller } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Connection } from '../upstream/connection.ts'
import type { SessionNews } from './session-news.ts'

/** Subscriptions whose connection is remembered; the oldest is forgotten first. */
const maxRemembered = 10_000

export interface MadeSubscription {
  readonly server: ManagedServer
  readonly caller: Caller
  readonly uri: unknown
  readonly connection: Connection
}

/**
 * Subscriptions at upstreams are renewed; one that is then made on another connection than before was lost with that
 * one. Whoever made it is told that the resource changed, because it may have.
 */
export interface SubscriptionGaps {
  subscribed(made: MadeSubscription): void
  unsubscribed(made: Omit<MadeSubscription, 'connection'>): void
}

export function createSubscriptionGaps({ news }: { readonly news: Pick<SessionNews, 'heard'> }): SubscriptionGaps {
  const connections = new Map<string, WeakRef<Connection>>()
  return {
    subscribed({ server, caller, uri, connection }) {
      const key = keyOf(server, caller, uri)
      const before = connections.get(key)
      connections.delete(key)
      connections.set(key, new WeakRef(connection))
      const [oldest] = connections.keys()
      if (connections.size > maxRemembered && oldest !== undefined) connections.delete(oldest)
      if (before === undefined || before.deref() === connection || typeof uri !== 'string') return
      const updated = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } } as const
      news.heard(server, updated, { holder: caller.principal.id })
    },
    unsubscribed: ({ server, caller, uri }) => void connections.delete(keyOf(server, caller, uri)),
  }
}

function keyOf({ id }: ManagedServer, { principal, peer }: Caller, uri: unknown): string {
  return JSON.stringify([id, principal.id, peer.sessionId ?? null, uri])
}
