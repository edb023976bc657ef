import { jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * Every definition of a tool that a pinned server showed to anybody, and what was decided about it: one row per content. A
 * tool may have several approved ones, as of a server that describes its tools differently to different users.
 */
export const toolDefinitions = pgTable(
  'tool_definitions',
  {
    serverId: text('server_id').notNull(),
    /** The upstream's own name. */
    name: text().notNull(),
    /** SHA-256 of the canonical JSON. */
    hash: text().notNull(),
    definition: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
    verdict: text({ enum: ['pending', 'approved', 'rejected'] }).notNull(),
    firstSeenAt: timestamp('first_seen_at', { withTimezone: true }).notNull(),
    /** Null while nobody has decided. */
    decidedAt: timestamp('decided_at', { withTimezone: true }),
    decidedBy: text('decided_by'),
  },
  (tool) => [primaryKey({ columns: [tool.serverId, tool.name, tool.hash] })],
)

export type ToolDefinitionRow = typeof toolDefinitions.$inferSelect
