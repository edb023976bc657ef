/**
 * A request that changes a key, as the columns that change. What the request does not say is not among them, so that two
 * changes of one key at once never undo each other; what it says with null goes back to what a key without the setting has.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Clock, GatewayError, type NewId } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import type { KeyChangeRequest } from './change-request.ts'
import { parseDuration } from './durations.ts'
import { isMetadataField } from './key-fields.ts'
import { instantAfter, type KeySettings, rotationSettings, routesFor } from './key-settings.ts'

type PatchColumn = keyof KeySettings | 'blocked' | 'spend' | 'rotationCount' | 'lastRotationAt'

/** Columns that change; one that is undefined is kept. */
export type KeyPatch = { readonly [Column in PatchColumn]?: VirtualKeyRow[Column] | undefined }

export interface ChangeContext {
  readonly clock: Clock
  readonly newId: NewId
}

/** Throws `INVALID_REQUEST` with `details.field`. */
export function changedSettings(request: KeyChangeRequest, row: VirtualKeyRow, context: ChangeContext): KeyPatch {
  const { clock } = context
  return {
    keyAlias: request.key_alias,
    userId: request.user_id,
    teamId: request.team_id,
    organizationId: request.organization_id,
    projectId: request.project_id,
    agentId: request.agent_id,
    blocked: orWhenNull(request.blocked, false),
    spend: orWhenNull(request.spend, 0),
    expires: request.duration === undefined ? undefined : instantAfter(request.duration, 'duration', clock),
    ...budget(request, clock),
    models: orWhenNull(request.models, []),
    ...permission(request, row, context),
    autoTools: orWhenNull(request.auto_tools, false),
    ...routes(request, row),
    accessGroupIds: request.access_group_ids,
    maxParallelRequests: request.max_parallel_requests,
    tpmLimit: request.tpm_limit,
    rpmLimit: request.rpm_limit,
    aliases: orWhenNull(request.aliases, {}),
    config: orWhenNull(request.config, {}),
    permissions: orWhenNull(request.permissions, {}),
    metadata: metadata(request, row, clock),
    allowedCacheControls: orWhenNull(request.allowed_cache_controls, []),
    routerSettings: request.router_settings,
    ...rotation(request, row, clock),
  }
}

/** The columns of a patch that make a difference to a row, by name. */
export function differingColumns(row: VirtualKeyRow, patch: KeyPatch): readonly string[] {
  return Object.entries(patch)
    .filter(
      ([column, value]) => value !== undefined && !isDeepStrictEqual(plain(Reflect.get(row, column)), plain(value)),
    )
    .map(([column]) => column)
}

/** As it stands in JSON, in which instants compare by their time. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

function orWhenNull<Value>(value: Value | null | undefined, empty: Value): Value | undefined {
  return value === null ? empty : value
}

function budget(request: KeyChangeRequest, clock: Clock) {
  const { budget_duration: budgetDuration } = request
  return {
    maxBudget: request.max_budget,
    softBudget: request.soft_budget,
    budgetId: request.budget_id,
    budgetDuration,
    budgetResetAt: budgetDuration === undefined ? undefined : instantAfter(budgetDuration, 'budget_duration', clock),
    budgetLimits: request.budget_limits,
    budgetFallbacks: request.budget_fallbacks,
    modelMaxBudget: orWhenNull(request.model_max_budget, {}),
  }
}

/** Field by field: a request that grants a server must not take back what blocks a tool. */
function permission({ object_permission: given }: KeyChangeRequest, row: VirtualKeyRow, { newId }: ChangeContext) {
  if (given === undefined) return {}
  if (given === null) return { objectPermission: null, objectPermissionId: null }
  return {
    objectPermission: { ...row.objectPermission, ...given },
    objectPermissionId: row.objectPermissionId ?? newId('permission'),
  }
}

/** A new type brings its routes, unless the key has routes of its own: those were written down to narrow it. */
function routes({ allowed_routes: given, key_type: type }: KeyChangeRequest, row: VirtualKeyRow) {
  const keyType = orWhenNull(type, 'default')
  if (given !== undefined) return { keyType, allowedRoutes: routesFor(keyType ?? row.keyType, given ?? []) }
  if (keyType === undefined) return {}
  const own = !isDeepStrictEqual(row.allowedRoutes, routesFor(row.keyType, []))
  return { keyType, allowedRoutes: own ? row.allowedRoutes : routesFor(keyType, []) }
}

/** Replaces what is free in `metadata`; the fields that have a name of their own are kept until that name says otherwise. */
function metadata(request: KeyChangeRequest, row: VirtualKeyRow, clock: Clock) {
  const named = { ...request, ...temporaryBudget(request, clock) }
  const given = Object.entries(named).filter(([field, value]) => isMetadataField(field) && value !== undefined)
  if (request.metadata === undefined && given.length === 0) return undefined
  const kept =
    request.metadata === undefined
      ? row.metadata
      : Object.fromEntries(Object.entries(row.metadata).filter(([field]) => isMetadataField(field)))
  const all = Object.entries({ ...kept, ...request.metadata, ...Object.fromEntries(given) })
  const cleared = new Set(given.flatMap(([field, value]) => (value === null ? [field] : [])))
  return Object.fromEntries(all.filter(([field]) => !cleared.has(field)))
}

function temporaryBudget(
  { temp_budget_increase: increase, temp_budget_expiry: expiry }: KeyChangeRequest,
  clock: Clock,
) {
  if (increase === undefined && expiry === undefined) return {}
  if ((increase == null) !== (expiry == null)) {
    throw invalid('temp_budget_expiry', 'temp_budget_increase and temp_budget_expiry go together.')
  }
  return { temp_budget_increase: increase ?? null, temp_budget_expiry: expiry == null ? null : instant(expiry, clock) }
}

function instant(text: string, clock: Clock): string | undefined {
  if (parseDuration(text) !== undefined) return instantAfter(text, 'temp_budget_expiry', clock)?.toISOString()
  const epochMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(epochMs)) return new Date(epochMs).toISOString()
  throw invalid('temp_budget_expiry', 'write a duration, for example 10d, or a date as 2030-01-31T00:00:00Z.')
}

/** The interval counts anew only where the request changes it. */
function rotation(request: KeyChangeRequest, row: VirtualKeyRow, clock: Clock) {
  const autoRotate = orWhenNull(request.auto_rotate, false) ?? row.autoRotate
  const interval = request.rotation_interval === undefined ? row.rotationInterval : request.rotation_interval
  if (autoRotate === row.autoRotate && interval === row.rotationInterval) return {}
  return rotationSettings(autoRotate, interval, clock)
}

function invalid(field: string, reason: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `${field}: ${reason}`, { details: { field } })
}
