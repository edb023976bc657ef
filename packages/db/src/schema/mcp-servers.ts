import { jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'

/**
 * One row per MCP server of the admin API. `settings` is what the API was told, in its own fields and without any value
 * that may be a secret; those are in `sealedSecrets`, which never leaves the gateway in any answer.
 */
export const mcpServers = pgTable(
  'mcp_servers',
  {
    id: text().primaryKey(),
    name: text().notNull(),
    alias: text(),
    settings: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
    /** A JSON object of the secret settings, sealed; its header names the key that sealed it. */
    sealedSecrets: text('sealed_secrets'),

    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    createdBy: text('created_by').notNull(),
    updatedAt: timestamp('updated_at', { withTimezone: true }).notNull().defaultNow(),
    updatedBy: text('updated_by').notNull(),
  },
  (server) => [
    uniqueIndex('mcp_servers_name_unique').on(server.name),
    uniqueIndex('mcp_servers_alias_unique').on(server.alias),
  ],
)

export type McpServerRow = typeof mcpServers.$inferSelect
export type NewMcpServerRow = typeof mcpServers.$inferInsert
