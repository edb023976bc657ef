import {
  createPostgresSessionStore,
  createSessionNews,
  createSessions,
  type SessionNews,
  type Sessions,
  type ToolsetLookup,
} from '@toolgate/manager'
import type { Foundation } from './foundation.ts'

/** Sessions of MCP clients, and what they are told outside their requests. */
export interface SessionsPart {
  readonly sessions: Sessions
  readonly news: SessionNews
}

export function composeSessions(
  { loaded, database, clock, log, newId }: Foundation,
  toolsets: ToolsetLookup,
): SessionsPart {
  const store = createPostgresSessionStore(database, newId)
  const bounds = { perOwner: loaded.environment.sessionsPerOwner }
  const sessions = createSessions({ store, feed: database, clock, log, newId, bounds })
  return { sessions, news: createSessionNews({ sessions, clock, toolsets }) }
}
