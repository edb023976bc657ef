/**
 * The body of `/key/generate` as LiteLLM takes it, checked and turned into the columns of a row. Config `virtual_keys`
 * are read by the same schema. A field nobody knows is refused where it is close to a known one, else left out and
 * reported: a typing error in a restriction must not silently make a wider key.
 */
import { firstMisspelt, isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { invalidRequest, parseRequest } from './invalid-request.ts'

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

export const generateKeySchema = z.object({
  key: z.string().nullish(),
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
  metadata: record.nullish(),
  allowed_cache_controls: z.array(z.unknown()).nullish(),
  router_settings: record.nullish(),
  auto_rotate: z.boolean().nullish(),
  rotation_interval: z.string().nullish(),
  /** Accepted as everywhere in LiteLLM; no mail is sent. */
  send_invite_email: z.boolean().nullish(),
  ...metadataFields,
})

export type GenerateKeyRequest = z.output<typeof generateKeySchema>

/**
 * Checks a body. Throws `INVALID_REQUEST`, see {@link invalidRequest}. `ignored` are the fields that were left out.
 */
export function parseGenerateKey(body: unknown): { request: GenerateKeyRequest; ignored: readonly string[] } {
  const ignored = isJsonObject(body) ? unknownFields(body, []) : []
  if (isJsonObject(body) && isJsonObject(body['object_permission'])) {
    // Unknown ones are kept, as LiteLLM's vocabulary of permissions grows; misspelt ones would widen the key.
    unknownFields(body['object_permission'], ['object_permission'])
  }
  const request = parseRequest(generateKeySchema, body)
  return { request, ignored }
}

/** The fields of a request that belong into `metadata`, which wins over what `metadata` itself says. */
export function metadataOf(request: GenerateKeyRequest): Record<string, unknown> {
  const given = Object.entries(request).filter(([name, value]) => name in metadataFields && value != null)
  return { ...request.metadata, ...Object.fromEntries(given) }
}

function unknownFields(body: object, path: readonly string[]): readonly string[] {
  const known = Object.keys(path.length === 0 ? generateKeySchema.shape : objectPermissionSchema.shape)
  const misspelt = firstMisspelt(Object.keys(body), known)
  if (misspelt !== undefined) {
    const message = `Unknown field. Did you mean "${misspelt.meant}"?`
    throw invalidRequest([{ path: [...path, misspelt.key], message, code: 'extra_forbidden' }])
  }
  return Object.keys(body).filter((name) => !known.includes(name))
}
