import {
  createPostgresSessionStore,
  createSessionNews,
  createSessions,
  type SessionNews,
  type Sessions,
} from '@toolgate/manager'
import type { Foundation } from './foundation.ts'

/** Sessions of MCP clients, and what they are told outside their requests. */
export interface SessionsPart {
  readonly sessions: Sessions
  readonly news: SessionNews
}

export function composeSessions({ database, clock, log, newId }: Foundation): SessionsPart {
  const store = createPostgresSessionStore(database, newId)
  const sessions = createSessions({ store, feed: database, clock, log, newId })
  return { sessions, news: createSessionNews({ sessions, clock }) }
}
