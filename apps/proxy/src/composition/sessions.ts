import {
  createPostgresSessionStore,
  createSessionNews,
  createSessions,
  createSubscriptions,
  type Session,
  type SessionNews,
  type Sessions,
  type Subscriptions,
  type ToolsetLookup,
} from '@toolgate/manager'
import type { Foundation } from '../foundation.ts'

/** Sessions of MCP clients, and what they are told outside their requests. */
export interface SessionsPart {
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly news: SessionNews
}

/** What sessions have at upstreams follows what becomes of them. */
type SessionListeners = Readonly<Record<'onEnd' | 'onLogLevel' | 'onRoots', (session: Session) => void>>

export function composeSessions(
  { loaded, database, clock, log, newId }: Foundation,
  { toolsets, ...told }: { readonly toolsets: ToolsetLookup } & SessionListeners,
): SessionsPart {
  const store = createPostgresSessionStore(database, newId)
  const bounds = { perOwner: loaded.environment.sessionsPerOwner }
  const sessions = createSessions({ store, feed: database, clock, log, newId, bounds, ...told })
  const subscriptions = createSubscriptions({ sessions })
  return { sessions, subscriptions, news: createSessionNews({ subscriptions, sessions, clock, toolsets }) }
}
