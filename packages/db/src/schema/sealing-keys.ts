import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * One row per encryption key that a value may be sealed with; the latest is the one to seal with. `checkValue` is a known text
 * sealed with it: start-up opens it and so tells a wrong encryption key before anything depends on one.
 */
export const sealingKeys = pgTable('sealing_keys', {
  keyId: text('key_id').primaryKey(),
  checkValue: text('check_value').notNull(),
  /** When it became the one to seal with. */
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
})
