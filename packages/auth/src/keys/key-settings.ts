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
  | 'rotationCount'
  | 'lastRotationAt'
  | 'createdAt'
  | 'createdBy'
  | 'updatedAt'
  | 'updatedBy'
>

/** Which routes a type of key stands for (LiteLLM's `key_type`); an unknown type is `default`, which is all. */
const routesOfType: ReadonlyMap<string, readonly string[]> = new Map([
  ['llm_api', ['llm_api_routes']],
  ['management', ['management_routes']],
  ['read_only', ['info_routes']],
])

/** An empty list of routes says nothing: it must not widen a key of a narrow type. */
export function routesFor(keyType: string, routes: readonly string[]): readonly string[] {
  return routes.length > 0 ? routes : (routesOfType.get(keyType) ?? [])
}

/** Throws `INVALID_REQUEST` with `details.field` for a duration that cannot be read. */
export function keySettings(
  request: GenerateKeyRequest,
  { clock, newId }: { clock: Clock; newId: NewId },
): KeySettings {
  const keyType = request.key_type ?? 'default'
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
    allowedRoutes: routesFor(keyType, request.allowed_routes ?? []),
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
    ...rotationSettings(request.auto_rotate ?? false, request.rotation_interval ?? null, clock),
  }
}

/** When the key is due is said by its interval, which counts from here. */
export function rotationSettings(autoRotate: boolean, rotationInterval: string | null, clock: Clock) {
  const due = instantAfter(rotationInterval, 'rotation_interval', clock)
  if (!autoRotate) return { autoRotate, rotationInterval, keyRotationAt: null }
  if (due !== null) return { autoRotate, rotationInterval, keyRotationAt: due }
  throw new GatewayError('INVALID_REQUEST', 'rotation_interval: auto_rotate needs one, for example 30d.', {
    details: { field: 'rotation_interval' },
  })
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
export function instantAfter(text: string | null | undefined, field: string, clock: Clock): Date | null {
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
