import { boolean, integer, interval, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'

/** One row per user, server and kind: the tokens or the key that the user has there, or what it set of the server's variables. */
export const userTokens = pgTable(
  'user_tokens',
  {
    id: text().primaryKey(),
    /** The principal's id: its user, else its key's hash. */
    owner: text().notNull(),
    serverId: text('server_id').notNull(),
    /** `credential` or `variables`. */
    kind: text().notNull().default('credential'),
    /** Which server and client it was, as a digest: tokens that were got for another are none. */
    identity: text().notNull(),
    /** Tokens, and the client that they were given to: JSON, sealed for this row. */
    sealed: text().notNull(),
    scopes: text().array().notNull(),
    /** What the server has wanted beyond them. Null: nothing. */
    wantedScopes: text('wanted_scopes').array(),
    /** Null: the server did not say. */
    expiresAt: timestamp('expires_at', { withTimezone: true }),
    refreshable: boolean().notNull(),
    /** They were refused, and nothing but a new sign-in helps. */
    needsSignIn: boolean('needs_sign_in').notNull().default(false),
    /** Counts the tokens that were in this row: who refreshes says which ones. */
    version: integer().notNull().default(1),
    /** Until then one gateway refreshes, and the others wait. */
    refreshingUntil: timestamp('refreshing_until', { withTimezone: true }),
    connectedAt: timestamp('connected_at', { withTimezone: true }).notNull(),
    /** As the server was called when this came here. Null: it came before that was kept. */
    serverName: text('server_name'),
    /** When a gateway looked last and knew no server that it is for. Null: it has been used since, or a gateway knew one. */
    orphanedAt: timestamp('orphaned_at', { withTimezone: true }),
    /** How long it had been so by then, as far as gateways have looked. */
    orphanedFor: interval('orphaned_for'),
  },
  (token) => [uniqueIndex('user_tokens_owner_server_id_kind').on(token.owner, token.serverId, token.kind)],
)

export type UserTokenRow = typeof userTokens.$inferSelect
