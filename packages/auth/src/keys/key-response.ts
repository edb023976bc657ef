/**
 * Keys as LiteLLM's API shows them. Never the key itself, which only the answer to `generate` carries, as a `Secret`.
 */
import type { Secret } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'

/** Optional lists of a permission as LiteLLM answers them: absent ones as empty, so that clients can iterate. */
const emptyPermission = {
  mcp_tool_permissions: null,
  mcp_toolsets: null,
  blocked_tools: [],
  vector_stores: [],
  agents: [],
  agent_access_groups: [],
  models: [],
  search_tools: [],
  mcp_tool_search_enabled: null,
}

/**
 * The row of `/key/info` and of `/key/list?return_full_object=true` (LiteLLM_VerificationToken). `lastActive` is asked for
 * where one key is shown; a list does without.
 */
export function tokenRow(row: VirtualKeyRow, lastActive?: Date) {
  return {
    token: row.hash,
    key_name: row.keyName,
    key_alias: row.keyAlias,
    key_type: row.keyType,
    blocked: row.blocked || row.disabledReason !== null,
    ...(row.disabledReason !== null && { blocked_reason: row.disabledReason }),
    expires: row.expires?.toISOString() ?? null,
    user_id: row.userId,
    team_id: row.teamId,
    org_id: row.organizationId,
    organization_id: row.organizationId,
    project_id: row.projectId,
    agent_id: row.agentId,
    models: row.models,
    ...permission(row),
    auto_tools: row.autoTools,
    allowed_routes: row.allowedRoutes,
    access_group_ids: row.accessGroupIds,
    ...budget(row),
    max_parallel_requests: row.maxParallelRequests,
    tpm_limit: row.tpmLimit,
    rpm_limit: row.rpmLimit,
    aliases: row.aliases,
    config: row.config,
    permissions: row.permissions,
    metadata: row.metadata,
    allowed_cache_controls: row.allowedCacheControls,
    router_settings: row.routerSettings,
    auto_rotate: row.autoRotate,
    rotation_interval: row.rotationInterval,
    rotation_count: row.rotationCount,
    last_rotation_at: row.lastRotationAt?.toISOString() ?? null,
    key_rotation_at: row.keyRotationAt?.toISOString() ?? null,
    last_active: lastActive?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
    created_by: row.createdBy,
    updated_at: row.updatedAt.toISOString(),
    updated_by: row.updatedBy,
  }
}

export type TokenRow = ReturnType<typeof tokenRow>

/** The answer to `/key/generate` and `/key/regenerate`: the request with its defaults, and the key, once. */
export function generatedKey<Request extends KeyRequest>({ key, row, request, warnings }: Generated<Request>) {
  return { ...request, ...tokenRow(row), key, token_id: row.hash, duration: request.duration ?? null, warnings }
}

interface KeyRequest {
  readonly duration?: string | null | undefined
}

interface Generated<Request extends KeyRequest> {
  readonly key: Secret
  readonly row: VirtualKeyRow
  readonly request: Request
  readonly warnings: readonly string[]
}

export type GeneratedKey = ReturnType<typeof generatedKey<KeyRequest>>

function permission({ objectPermission, objectPermissionId }: VirtualKeyRow) {
  return {
    object_permission_id: objectPermissionId,
    object_permission:
      objectPermission === null
        ? null
        : { ...emptyPermission, ...objectPermission, object_permission_id: objectPermissionId },
  }
}

function budget(row: VirtualKeyRow) {
  return {
    spend: row.spend,
    max_budget: row.maxBudget,
    soft_budget: row.softBudget,
    soft_budget_cooldown: false,
    budget_id: row.budgetId,
    budget_duration: row.budgetDuration,
    budget_reset_at: row.budgetResetAt?.toISOString() ?? null,
    budget_limits: row.budgetLimits,
    budget_fallbacks: row.budgetFallbacks ?? {},
    model_spend: {},
    model_max_budget: row.modelMaxBudget,
    litellm_budget_table: null,
  }
}
