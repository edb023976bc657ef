import { index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * One row per admin write, in the same transaction as the write: the audit trail, and what a replica reads to learn what
 * it missed. `details` never holds a secret.
 */
export const managementEvents = pgTable(
  'management_events',
  {
    id: text().primaryKey(),
    /** The database's clock, so that the clocks of replicas do not matter. */
    at: timestamp({ withTimezone: true }).notNull().defaultNow(),
    actor: text().notNull(),
    action: text().notNull(),
    objectType: text('object_type').notNull(),
    objectId: text('object_id').notNull(),
    details: jsonb().$type<Readonly<Record<string, unknown>>>().notNull().default({}),
  },
  (event) => [index('management_events_object_type_at').on(event.objectType, event.at)],
)

export type ManagementEventRow = typeof managementEvents.$inferSelect
