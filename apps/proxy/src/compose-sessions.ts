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
import type { Foundation } from './foundation.ts'

/** Sessions of MCP clients, and what they are told outside their requests. */
export interface SessionsPart {
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly news: SessionNews
}

export function composeSessions(
  { loaded, database, clock, log, newId }: Foundation,
  { toolsets, onEnd }: { readonly toolsets: ToolsetLookup; readonly onEnd: (session: Session) => void },
): SessionsPart {
  const store = createPostgresSessionStore(database, newId)
  const bounds = { perOwner: loaded.environment.sessionsPerOwner }
  const sessions = createSessions({ store, feed: database, clock, log, newId, bounds, onEnd })
  const subscriptions = createSubscriptions({ sessions })
  return { sessions, subscriptions, news: createSessionNews({ subscriptions, clock, toolsets }) }
}
