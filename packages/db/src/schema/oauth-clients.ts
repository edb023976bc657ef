import { index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** MCP clients that registered themselves. What a client says of itself is nobody's word but its own. */
export const oauthClients = pgTable(
  'oauth_clients',
  {
    id: text().primaryKey(),
    name: text(),
    redirectUris: text('redirect_uris').array().notNull(),
    grantTypes: text('grant_types').array().notNull(),
    tokenEndpointAuthMethod: text('token_endpoint_auth_method', {
      enum: ['none', 'client_secret_post', 'client_secret_basic'],
    }).notNull(),
    /** Hex SHA-256; null for a client that keeps no secret. */
    secretHash: text('secret_hash'),
    /** All that it registered, for the answer. */
    metadata: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull(),
    /** When somebody last let it in; null: never. */
    usedAt: timestamp('used_at', { withTimezone: true }),
  },
  (client) => [
    index('oauth_clients_created_at').on(client.createdAt),
    index('oauth_clients_used_at').on(client.usedAt),
  ],
)

export type OauthClientRow = typeof oauthClients.$inferSelect
