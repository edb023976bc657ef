/**
 * What can be said about a key, with LiteLLM's names and types: the part that generating, updating and regenerating have
 * in common. A field nobody knows is refused where it is close to a known one, else left out and reported: a typing error
 * in a restriction must not silently make a wider key.
 */
import { isJsonObject, loopLimitsSchema, requiredApprovalSchema } from '@toolgate/core'
import { z } from 'zod'
import { parseRequest, unknownFields } from './invalid-request.ts'

const record = z.record(z.string(), z.unknown())
/** Names stand in indexes, and an index entry has a bound. */
const name = z.string().min(1).max(256)
const texts = z.array(z.string())
const limit = z.int().nonnegative()
const amount = z.number().nonnegative()
const limitType = z.enum(['guaranteed_throughput', 'best_effort_throughput', 'dynamic'])

const objectPermissionSchema = z.looseObject({
  mcp_servers: texts.nullish(),
  mcp_access_groups: texts.nullish(),
  mcp_tool_permissions: z.record(z.string(), texts).nullish(),
  mcp_toolsets: texts.nullish(),
  blocked_tools: texts.nullish(),
  vector_stores: texts.nullish(),
  agents: texts.nullish(),
  agent_access_groups: texts.nullish(),
  models: texts.nullish(),
  search_tools: texts.nullish(),
  mcp_tool_search_enabled: z.boolean().nullish(),
})

/** Fields that LiteLLM keeps inside `metadata`, and clients read there. */
const metadataFields = {
  /** Ours: the ceiling of the key's tool loops. */
  mcp_limits: loopLimitsSchema.nullish(),
  /** Ours: tools that wait for somebody's yes, whatever requests say. */
  mcp_require_approval: requiredApprovalSchema.nullish(),
  model_rpm_limit: record.nullish(),
  model_tpm_limit: record.nullish(),
  mcp_rpm_limit: z.record(z.string(), limit).nullish(),
  tag_rpm_limit: z.record(z.string(), limit).nullish(),
  rpm_limit_type: limitType.nullish(),
  tpm_limit_type: limitType.nullish(),
  guardrails: texts.nullish(),
  policies: texts.nullish(),
  prompts: texts.nullish(),
  tags: texts.nullish(),
  enforced_params: texts.nullish(),
  disable_global_guardrails: z.boolean().nullish(),
  enable_prompt_caching: z.boolean().nullish(),
  throttle_on_budget_exceeded: z.boolean().nullish(),
  allowed_passthrough_routes: z.array(z.unknown()).nullish(),
  allowed_vector_store_indexes: z.array(record).nullish(),
  default_estimated_output_tokens: limit.nullish(),
  default_estimated_output_tokens_per_model: record.nullish(),
}

/** The settings of a key, each of which may be absent or null. */
export const keyFields = {
  key_alias: name.nullish(),
  duration: z.string().nullish(),
  key_type: z.enum(['llm_api', 'management', 'read_only', 'default']).nullish(),
  blocked: z.boolean().nullish(),
  user_id: name.nullish(),
  team_id: name.nullish(),
  organization_id: z.string().nullish(),
  project_id: z.string().nullish(),
  agent_id: z.string().nullish(),
  models: texts.nullish(),
  object_permission: objectPermissionSchema.nullish(),
  /** Ours: chat requests without any MCP entry get the tools of this key. */
  auto_tools: z.boolean().nullish(),
  allowed_routes: texts.nullish(),
  access_group_ids: texts.nullish(),
  spend: amount.nullish(),
  max_budget: amount.nullish(),
  soft_budget: amount.nullish(),
  budget_id: z.string().nullish(),
  budget_duration: z.string().nullish(),
  budget_limits: z
    .array(z.looseObject({ budget_duration: z.string(), max_budget: amount, reset_at: z.string().nullish() }))
    .nullish(),
  budget_fallbacks: z.record(z.string(), texts).nullish(),
  model_max_budget: record.nullish(),
  max_parallel_requests: limit.nullish(),
  tpm_limit: limit.nullish(),
  rpm_limit: limit.nullish(),
  aliases: record.nullish(),
  config: record.nullish(),
  permissions: record.nullish(),
  metadata: z
    .looseObject({ mcp_limits: loopLimitsSchema.nullish(), mcp_require_approval: requiredApprovalSchema.nullish() })
    .nullish(),
  allowed_cache_controls: z.array(z.unknown()).nullish(),
  router_settings: record.nullish(),
  auto_rotate: z.boolean().nullish(),
  rotation_interval: z.string().nullish(),
  /** Accepted as everywhere in LiteLLM; no mail is sent. */
  send_invite_email: z.boolean().nullish(),
  ...metadataFields,
}

/** A raise of the budget for a while. Both or none of them; LiteLLM keeps them inside `metadata` as well. */
export const temporaryBudgetFields = {
  temp_budget_increase: amount.nullish(),
  /** A duration, or an instant in ISO 8601. */
  temp_budget_expiry: z.string().nullish(),
}

const namesInMetadata = new Set([...Object.keys(metadataFields), ...Object.keys(temporaryBudgetFields)])

/** Whether a field of a request is kept inside `metadata`. */
export function isMetadataField(field: string): boolean {
  return namesInMetadata.has(field)
}

/**
 * What `schema` makes of a body. Throws `INVALID_REQUEST`, see {@link invalidRequest}. `ignored` are the fields that
 * nothing here acts on.
 */
export function parseKeyBody<Schema extends z.ZodObject>(
  schema: Schema,
  body: unknown,
): { readonly request: z.output<Schema>; readonly ignored: readonly string[] } {
  const ignored = isJsonObject(body) ? unknownFields(body, { known: Object.keys(schema.shape) }) : []
  const permission = isJsonObject(body) ? body['object_permission'] : undefined
  // Unknown ones are kept, as LiteLLM's vocabulary of permissions grows; misspelt ones would widen the key.
  const kept = isJsonObject(permission)
    ? unknownFields(permission, { known: Object.keys(objectPermissionSchema.shape), path: ['object_permission'] })
    : []
  return {
    request: parseRequest(schema, body),
    ignored: [...ignored, ...kept.map((field) => `object_permission.${field}`)],
  }
}
