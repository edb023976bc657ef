import { index, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** A key that was regenerated with a grace period: until `validUntil` it still means the key that took its place. */
export const supersededKeys = pgTable(
  'superseded_keys',
  {
    hash: text().primaryKey(),
    /** Of the key that is in force now: regenerating again moves it on. */
    successorHash: text('successor_hash').notNull(),
    validUntil: timestamp('valid_until', { withTimezone: true }).notNull(),
  },
  (key) => [index('superseded_keys_successor_hash').on(key.successorHash)],
)

export type SupersededKeyRow = typeof supersededKeys.$inferSelect
