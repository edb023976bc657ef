import { boolean, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** What each server listed last with the service's own credential: one row per server and kind of list. */
export const serverLists = pgTable(
  'server_lists',
  {
    serverId: text('server_id').notNull(),
    kind: text({ enum: ['tools', 'prompts', 'resources', 'resourceTemplates'] }).notNull(),
    /** Digest of where the list came from: a list of another address under the same id is not this server's. */
    source: text().notNull(),
    /** From 1; grows with every change of the list. */
    version: integer().notNull(),
    hash: text().notNull(),
    changedAt: timestamp('changed_at', { withTimezone: true }).notNull(),
    /** The last time it was read, changed or not. */
    listedAt: timestamp('listed_at', { withTimezone: true }).notNull(),
    /** Whoever brings another credential is not to see it. */
    isPrivate: boolean('is_private').notNull().default(false),
  },
  (list) => [primaryKey({ columns: [list.serverId, list.kind] })],
)

/** Every definition that a server ever listed, as it came. */
export const serverListItems = pgTable(
  'server_list_items',
  {
    serverId: text('server_id').notNull(),
    kind: text({ enum: ['tools', 'prompts', 'resources', 'resourceTemplates'] }).notNull(),
    /** The tool's or prompt's name, the resource's URI, the template. */
    name: text().notNull(),
    /** From 0, in the server's own order. */
    position: integer().notNull(),
    /** SHA-256 of the canonical JSON. */
    hash: text().notNull(),
    definition: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
    firstSeenAt: timestamp('first_seen_at', { withTimezone: true }).notNull(),
    lastChangedAt: timestamp('last_changed_at', { withTimezone: true }).notNull(),
    /** Set while the server no longer lists it. */
    removedAt: timestamp('removed_at', { withTimezone: true }),
  },
  (item) => [primaryKey({ columns: [item.serverId, item.kind, item.name] })],
)

/** What each version of a list changed, by name. */
export const serverListVersions = pgTable(
  'server_list_versions',
  {
    serverId: text('server_id').notNull(),
    kind: text({ enum: ['tools', 'prompts', 'resources', 'resourceTemplates'] }).notNull(),
    version: integer().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
    hash: text().notNull(),
    added: jsonb().$type<readonly string[]>().notNull(),
    changed: jsonb().$type<readonly string[]>().notNull(),
    removed: jsonb().$type<readonly string[]>().notNull(),
  },
  (version) => [primaryKey({ columns: [version.serverId, version.kind, version.version] })],
)

export type ServerListRow = typeof serverLists.$inferSelect
export type ServerListItemRow = typeof serverListItems.$inferSelect
export type ServerListVersionRow = typeof serverListVersions.$inferSelect
