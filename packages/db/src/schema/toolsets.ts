import { jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'

export interface ToolsetTool {
  readonly server_id: string
  /** The upstream's own name. */
  readonly tool_name: string
}

/** Named sets of tools of any servers. A server that is gone stays in its toolsets: it may come back under its id. */
export const toolsets = pgTable(
  'toolsets',
  {
    id: text().primaryKey(),
    name: text().notNull(),
    description: text(),
    tools: jsonb().$type<readonly ToolsetTool[]>().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    createdBy: text('created_by').notNull(),
    updatedAt: timestamp('updated_at', { withTimezone: true }).notNull().defaultNow(),
    updatedBy: text('updated_by').notNull(),
  },
  (toolset) => [uniqueIndex('toolsets_name_unique').on(toolset.name)],
)

export type ToolsetRow = typeof toolsets.$inferSelect
