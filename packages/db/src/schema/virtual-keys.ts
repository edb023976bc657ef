import {
  bigint,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'

/** What a key may reach, as LiteLLM writes it. A field that is absent or null was not said; `[]` was. */
export interface ObjectPermission {
  readonly mcp_servers?: readonly string[] | null | undefined
  readonly mcp_access_groups?: readonly string[] | null | undefined
  readonly mcp_tool_permissions?: Readonly<Record<string, readonly string[]>> | null | undefined
  readonly mcp_toolsets?: readonly string[] | null | undefined
  readonly blocked_tools?: readonly string[] | null | undefined
  readonly mcp_tool_search_enabled?: boolean | null | undefined
  readonly [other: string]: unknown
}

type JsonRecord = Readonly<Record<string, unknown>>

/**
 * One row per virtual key. Never holds the key: `hash` is its hex SHA-256, `keyName` its last four characters.
 * `object_permission` is a column and not a table of its own: it belongs to exactly one key, and one row is one look-up.
 */
export const virtualKeys = pgTable(
  'virtual_keys',
  {
    hash: text().primaryKey(),
    keyName: text('key_name').notNull(),
    keyAlias: text('key_alias'),
    /** Who made it. Configuration never changes what the API made. */
    origin: text({ enum: ['api', 'config'] }).notNull(),
    /** An admin's word; configuration never changes it. */
    blocked: boolean().notNull().default(false),
    /** Set while the configuration that made the key no longer holds it. */
    disabledReason: text('disabled_reason', { enum: ['removed_from_config'] }),
    expires: timestamp({ withTimezone: true }),

    userId: text('user_id'),
    teamId: text('team_id'),
    organizationId: text('organization_id'),
    projectId: text('project_id'),
    agentId: text('agent_id'),
    keyType: text('key_type').notNull().default('default'),

    models: jsonb().$type<readonly string[]>().notNull().default([]),
    objectPermissionId: text('object_permission_id'),
    objectPermission: jsonb('object_permission').$type<ObjectPermission>(),
    autoTools: boolean('auto_tools').notNull().default(false),
    allowedRoutes: jsonb('allowed_routes').$type<readonly unknown[]>().notNull().default([]),
    accessGroupIds: jsonb('access_group_ids').$type<readonly string[]>(),

    spend: doublePrecision().notNull().default(0),
    maxBudget: doublePrecision('max_budget'),
    softBudget: doublePrecision('soft_budget'),
    budgetId: text('budget_id'),
    budgetDuration: text('budget_duration'),
    budgetResetAt: timestamp('budget_reset_at', { withTimezone: true }),
    budgetLimits: jsonb('budget_limits').$type<readonly JsonRecord[]>(),
    budgetFallbacks: jsonb('budget_fallbacks').$type<JsonRecord>(),
    modelMaxBudget: jsonb('model_max_budget').$type<JsonRecord>().notNull().default({}),
    maxParallelRequests: bigint('max_parallel_requests', { mode: 'number' }),
    tpmLimit: bigint('tpm_limit', { mode: 'number' }),
    rpmLimit: bigint('rpm_limit', { mode: 'number' }),

    aliases: jsonb().$type<JsonRecord>().notNull().default({}),
    config: jsonb().$type<JsonRecord>().notNull().default({}),
    permissions: jsonb().$type<JsonRecord>().notNull().default({}),
    metadata: jsonb().$type<JsonRecord>().notNull().default({}),
    allowedCacheControls: jsonb('allowed_cache_controls').$type<readonly unknown[]>().notNull().default([]),
    routerSettings: jsonb('router_settings').$type<JsonRecord>(),
    autoRotate: boolean('auto_rotate').notNull().default(false),
    rotationInterval: text('rotation_interval'),
    rotationCount: integer('rotation_count').notNull().default(0),
    lastRotationAt: timestamp('last_rotation_at', { withTimezone: true }),
    /** When it is due next; null unless `autoRotate`. */
    keyRotationAt: timestamp('key_rotation_at', { withTimezone: true }),

    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    createdBy: text('created_by').notNull(),
    updatedAt: timestamp('updated_at', { withTimezone: true }).notNull().defaultNow(),
    updatedBy: text('updated_by').notNull(),
  },
  (key) => [
    uniqueIndex('virtual_keys_key_alias_unique').on(key.keyAlias),
    index('virtual_keys_created_at').on(key.createdAt),
    index('virtual_keys_user_id').on(key.userId),
    index('virtual_keys_team_id').on(key.teamId),
    index('virtual_keys_key_rotation_at').on(key.keyRotationAt),
  ],
)

export type VirtualKeyRow = typeof virtualKeys.$inferSelect
export type NewVirtualKeyRow = typeof virtualKeys.$inferInsert
