/**
 * A checked request as columns: every setting gets a value, and durations become instants.
 */
import { type Clock, GatewayError, type NewId } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { addDuration, parseDuration } from './durations.ts'
import { type GenerateKeyRequest, metadataOf } from './generate-request.ts'

/** The columns that a request sets. `spend` and `blocked` are not among them: they change without one. */
export type KeySettings = Omit<
  VirtualKeyRow,
  | 'hash'
  | 'keyName'
  | 'origin'
  | 'blocked'
  | 'disabledReason'
  | 'spend'
  | 'createdAt'
  | 'createdBy'
  | 'updatedAt'
  | 'updatedBy'
>

/** Which routes a type of key stands for (LiteLLM's `key_type`). */
const routesOfType = {
  llm_api: ['llm_api_routes'],
  management: ['management_routes'],
  read_only: ['info_routes'],
  default: [],
} as const

/** Throws `INVALID_REQUEST` with `details.field` for a duration that cannot be read. */
export function keySettings(
  request: GenerateKeyRequest,
  { clock, newId }: { clock: Clock; newId: NewId },
): KeySettings {
  const keyType = request.key_type ?? 'default'
  const routes = request.allowed_routes ?? []
  return {
    keyAlias: request.key_alias ?? null,
    keyType,
    expires: instantAfter(request.duration, 'duration', clock),
    ...owners(request),
    ...budget(request, clock),
    models: request.models ?? [],
    objectPermission: request.object_permission ?? null,
    objectPermissionId: request.object_permission == null ? null : newId('permission'),
    autoTools: request.auto_tools ?? false,
    allowedRoutes: routes.length > 0 ? routes : routesOfType[keyType],
    accessGroupIds: request.access_group_ids ?? null,
    maxParallelRequests: request.max_parallel_requests ?? null,
    tpmLimit: request.tpm_limit ?? null,
    rpmLimit: request.rpm_limit ?? null,
    aliases: request.aliases ?? {},
    config: request.config ?? {},
    permissions: request.permissions ?? {},
    metadata: metadataOf(request),
    allowedCacheControls: request.allowed_cache_controls ?? [],
    routerSettings: request.router_settings ?? null,
    autoRotate: request.auto_rotate ?? false,
    rotationInterval: request.rotation_interval ?? null,
  }
}

function owners(request: GenerateKeyRequest) {
  return {
    userId: request.user_id ?? null,
    teamId: request.team_id ?? null,
    organizationId: request.organization_id ?? null,
    projectId: request.project_id ?? null,
    agentId: request.agent_id ?? null,
  }
}

function budget(request: GenerateKeyRequest, clock: Clock) {
  return {
    maxBudget: request.max_budget ?? null,
    softBudget: request.soft_budget ?? null,
    budgetId: request.budget_id ?? null,
    budgetDuration: request.budget_duration ?? null,
    budgetResetAt: instantAfter(request.budget_duration, 'budget_duration', clock),
    budgetLimits: request.budget_limits ?? null,
    budgetFallbacks: request.budget_fallbacks ?? null,
    modelMaxBudget: request.model_max_budget ?? {},
  }
}

/** Null, as LiteLLM's `-1`, is for ever. */
function instantAfter(text: string | null | undefined, field: string, clock: Clock): Date | null {
  if (text == null || text === '-1') return null
  const duration = parseDuration(text)
  const instant = duration === undefined ? undefined : addDuration(clock.now(), duration)
  if (instant !== undefined) return new Date(instant)
  throw new GatewayError(
    'INVALID_REQUEST',
    `${field}: write a duration as a number with s, m, h, d, w or mo, for example 30d, or leave it out.`,
    { details: { field } },
  )
}
