import type { PolicyDecision } from '@toolgate/core'
import { boolean, doublePrecision, index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/**
 * The ledger: one row per call, for audit, usage and spend alike. Append-only. Holds neither arguments nor results, and
 * refers to keys by hash without a foreign key: a deleted key leaves its history behind.
 */
export const calls = pgTable(
  'calls',
  {
    id: text().primaryKey(),
    traceId: text('trace_id').notNull(),
    kind: text({ enum: ['tool_call', 'list', 'mcp_request', 'generation'] }).notNull(),
    method: text().notNull(),
    door: text().notNull(),
    requestId: text('request_id').notNull(),

    principalId: text('principal_id').notNull(),
    keyHash: text('key_hash').notNull(),
    keyAlias: text('key_alias'),
    userId: text('user_id'),
    teamId: text('team_id'),
    /** The program that called: the id of an MCP client that signed in, else what it calls itself. */
    client: text(),

    serverId: text('server_id'),
    serverName: text('server_name'),
    publicName: text('public_name'),
    targetName: text('target_name'),
    /** How the credential was come by that the server was shown; never the credential. */
    credentialType: text('credential_type'),
    /** `shared`: the same for everybody; `holder`: one caller's. */
    credentialScope: text('credential_scope'),

    model: text(),
    provider: text(),
    round: integer(),
    promptTokens: integer('prompt_tokens'),
    completionTokens: integer('completion_tokens'),
    deploymentId: text('deployment_id'),
    /** Tokens, and with them the spend, are estimates. */
    estimated: boolean(),
    /** How many deployments were asked. */
    attempts: integer(),
    /** Dollars; null where nobody knows. */
    spend: doublePrecision(),
    /** What policies decided. */
    decisions: jsonb().$type<readonly PolicyDecision[]>(),

    stage: text(),
    /** `ok`, `tool_error`, `input_required` or an error code. */
    outcome: text().notNull(),
    startedAt: timestamp('started_at', { withTimezone: true }).notNull(),
    durationMs: doublePrecision('duration_ms').notNull(),
  },
  (call) => [
    index('calls_started_at').on(call.startedAt),
    index('calls_key_hash_started_at').on(call.keyHash, call.startedAt),
  ],
)

export type CallRow = typeof calls.$inferSelect
export type NewCallRow = typeof calls.$inferInsert
