import { index, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'

/** A person as the company's identity provider described it when it signed in, as far as grants are made of that. */
export interface SignedInPerson {
  readonly issuer: string
  readonly user: string
  readonly team: string | null
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
}

/**
 * One row each time somebody let a client in: the family of all tokens that came of it. No token is in any of these
 * tables, only hex SHA-256 of tokens.
 */
export const oauthGrants = pgTable(
  'oauth_grants',
  {
    id: text().primaryKey(),
    clientId: text('client_id').notNull(),
    /** The hash of the virtual key that consented: what becomes of the key becomes of the grant. Of a person that of issuer and user. */
    keyHash: text('key_hash').notNull(),
    /** Who consented, where it was not the holder of a key. */
    person: jsonb().$type<SignedInPerson>(),
    /** The MCP endpoint that its tokens are for, as a path. */
    audience: text().notNull(),
    scope: text().notNull(),
    /** Of the part that all refresh tokens of this grant have in common; null: there are none. */
    familyHash: text('family_hash'),
    /** Of the one refresh token that counts. */
    refreshHash: text('refresh_hash'),
    refreshExpiresAt: timestamp('refresh_expires_at', { withTimezone: true }),
    /** Of the one before it; null: none was used yet. */
    formerRefreshHash: text('former_refresh_hash'),
    /** When that one was used. */
    rotatedAt: timestamp('rotated_at', { withTimezone: true }),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull(),
    /** After this there are no further tokens. */
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (grant) => [
    uniqueIndex('oauth_grants_family_hash').on(grant.familyHash),
    index('oauth_grants_key_hash').on(grant.keyHash, grant.createdAt),
    index('oauth_grants_expires_at').on(grant.expiresAt),
  ],
)

/** Authorization codes. A row outlives its redemption: whoever comes with the code again is the second to have it. */
export const oauthCodes = pgTable(
  'oauth_codes',
  {
    hash: text().primaryKey(),
    clientId: text('client_id').notNull(),
    redirectUri: text('redirect_uri').notNull(),
    codeChallenge: text('code_challenge').notNull(),
    keyHash: text('key_hash').notNull(),
    person: jsonb().$type<SignedInPerson>(),
    audience: text().notNull(),
    scope: text().notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
    /** Of the grant that it was exchanged for; null: it was not yet. */
    grantId: text('grant_id'),
    /** It can be exchanged no more, though it never was: a wrong verifier was tried. */
    spentAt: timestamp('spent_at', { withTimezone: true }),
  },
  (code) => [index('oauth_codes_expires_at').on(code.expiresAt)],
)

export const oauthAccessTokens = pgTable(
  'oauth_access_tokens',
  {
    hash: text().primaryKey(),
    grantId: text('grant_id')
      .notNull()
      .references(() => oauthGrants.id, { onDelete: 'cascade' }),
    issuedAt: timestamp('issued_at', { withTimezone: true }).notNull(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (token) => [
    index('oauth_access_tokens_grant_id').on(token.grantId, token.issuedAt),
    index('oauth_access_tokens_expires_at').on(token.expiresAt),
  ],
)

export type OauthGrantRow = typeof oauthGrants.$inferSelect
export type OauthCodeRow = typeof oauthCodes.$inferSelect
