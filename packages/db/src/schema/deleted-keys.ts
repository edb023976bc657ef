import { index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** What a deleted key was, for `/key/list?status=deleted`. It opens nothing: only `virtual_keys` is asked for a key. */
export const deletedKeys = pgTable(
  'deleted_keys',
  {
    hash: text().primaryKey(),
    keyAlias: text('key_alias'),
    userId: text('user_id'),
    teamId: text('team_id'),
    /** The token row as the API showed it. */
    row: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
    deletedAt: timestamp('deleted_at', { withTimezone: true }).notNull().defaultNow(),
    deletedBy: text('deleted_by').notNull(),
  },
  (key) => [index('deleted_keys_deleted_at').on(key.deletedAt)],
)

export type DeletedKeyRow = typeof deletedKeys.$inferSelect
