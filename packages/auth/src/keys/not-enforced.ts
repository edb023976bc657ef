/**
 * What a key may be given and nothing acts on yet: kept as it was written, so that it holds from the version that does.
 * Whoever sets one is told, by the API in its answer and by the configuration as a warning. A field that is acted on
 * leaves this list.
 */
import type { KeyChangeRequest } from './change-request.ts'

export const notEnforcedKeyFields = [
  'soft_budget',
  'budget_id',
  'budget_limits',
  'budget_fallbacks',
  'model_max_budget',
  'throttle_on_budget_exceeded',
  'rpm_limit_type',
  'tpm_limit_type',
  'tag_rpm_limit',
  'default_estimated_output_tokens',
  'default_estimated_output_tokens_per_model',
  'organization_id',
  'project_id',
  'agent_id',
  'access_group_ids',
  'tags',
  'policies',
  'prompts',
  'enforced_params',
  'permissions',
  'aliases',
  'config',
  'router_settings',
  'allowed_cache_controls',
  'allowed_passthrough_routes',
  'allowed_vector_store_indexes',
  'enable_prompt_caching',
  'temp_budget_increase',
  'temp_budget_expiry',
  'send_invite_email',
] as const satisfies readonly (keyof KeyChangeRequest)[]

/** The same inside `object_permission`. */
const notEnforcedPermissions = [
  'vector_stores',
  'agents',
  'agent_access_groups',
  'models',
  'search_tools',
] as const satisfies readonly (keyof NonNullable<KeyChangeRequest['object_permission']>)[]

/** One sentence for each field of the request that says something and is not acted on. */
export function notEnforcedWarnings(request: KeyChangeRequest): readonly string[] {
  const permission = request.object_permission ?? {}
  return [
    ...notEnforcedKeyFields.filter((name) => saysSomething(request[name])),
    ...notEnforcedPermissions
      .filter((name) => saysSomething(permission[name]))
      .map((name) => `object_permission.${name}`),
  ].map((field) => `${field} is stored and not enforced by this version`)
}

/** Clients send LiteLLM's defaults along: empty lists and maps, false, null. */
function saysSomething(value: unknown): boolean {
  if (value == null || value === false) return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}
