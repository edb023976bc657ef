import { boolean, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** One row per session of an MCP client: what any gateway needs to serve it. Gone when it ends. */
export const mcpSessions = pgTable(
  'mcp_sessions',
  {
    id: text().primaryKey(),
    /** The id of the principal that opened it; nobody else may use it. */
    owner: text().notNull(),
    protocolVersion: text('protocol_version').notNull(),
    /** What the client declared. */
    capabilities: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
    /** What its client calls itself, for the ledger; null: nothing. */
    client: text(),
    /** The servers and groups of its endpoint as they were named; null: every server. */
    names: jsonb().$type<readonly string[]>(),
    logLevel: text('log_level'),
    /** URIs of the resources that the client subscribed to; null: none. */
    subscriptions: jsonb().$type<readonly string[]>(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    /** Written every few seconds while it is used, and not with every use. */
    usedAt: timestamp('used_at', { withTimezone: true }).notNull().defaultNow(),
    /** Until then something runs in it or listens to it, at whichever gateway: it is not idle. */
    heldUntil: timestamp('held_until', { withTimezone: true }),
  },
  (session) => [index().on(session.owner, session.usedAt), index().on(session.usedAt)],
)

/** What one gateway has for another and is too long for a notification. Read once, and gone after a minute anyway. */
export const mcpSessionMail = pgTable(
  'mcp_session_mail',
  {
    id: text().primaryKey(),
    body: text().notNull(),
    at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  (mail) => [index().on(mail.at)],
)

/** What was sent on a stream that broke, for the client to fetch when it comes back. Bounded in number and time. */
export const mcpStreamEvents = pgTable(
  'mcp_stream_events',
  {
    streamId: text('stream_id').notNull(),
    /** From 1; what the client names is the last one it has. */
    position: integer().notNull(),
    sessionId: text('session_id').notNull(),
    /** The JSON-RPC message as it was to be sent. */
    message: text().notNull(),
    /** Nothing comes after it. */
    last: boolean().notNull(),
    at: timestamp({ withTimezone: true }).notNull().defaultNow(),
  },
  (event) => [primaryKey({ columns: [event.streamId, event.position] }), index().on(event.at)],
)

export type McpSessionRow = typeof mcpSessions.$inferSelect
