import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * One row per encryption key that ever sealed a value here. `checkValue` is a known text sealed with it: start-up opens
 * it and so tells a wrong encryption key before anything depends on one.
 */
export const sealingKeys = pgTable('sealing_keys', {
  keyId: text('key_id').primaryKey(),
  checkValue: text('check_value').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
})
