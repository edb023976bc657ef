import { index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * What a conversation needs to go on and its client does not hold: turns that the gateway began, stored responses, results
 * too long for a model. Each belongs to one principal and ends by itself.
 */
export const conversationRecords = pgTable(
  'conversation_records',
  {
    id: text().primaryKey(),
    kind: text({ enum: ['turn', 'response', 'result', 'approval', 'outcome'] }).notNull(),
    /** The principal's id. */
    owner: text().notNull(),
    /** What it is found by: ids of calls, of a response, of a result, of an approval. */
    names: text().array().notNull(),
    /** JSON, as text: it may hold what `jsonb` cannot. */
    value: text().notNull(),
    /** Characters of `value`. */
    size: integer().notNull(),
    savedAt: timestamp('saved_at', { withTimezone: true }).notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (record) => [
    index('conversation_records_names').using('gin', record.names),
    index('conversation_records_owner_saved_at').on(record.owner, record.savedAt),
    index('conversation_records_expires_at').on(record.expiresAt),
  ],
)
