/**
 * `virtual_keys`: keys that the file declares and every start puts into the store. A section of ours, so unknown keys are
 * errors; fields are named as in `/key/generate`.
 */
import { configKeyProblems } from '@toolgate/auth'
import { loopLimitsSchema, requiredApprovalSchema, type Secret, secretSchema } from '@toolgate/core'
import { z } from 'zod'
import { kindOf } from './explain.ts'
import { inertVirtualKeySettings } from './litellm-keys.ts'
import type { ConfigPath, Report } from './report.ts'
import { flag, freeForm, names } from './scalars.ts'
import { readSection } from './section.ts'

const toolsByServer = z.record(z.string(), names)

const objectPermissionSchema = z.strictObject({
  mcp_servers: names.optional(),
  mcp_access_groups: names.optional(),
  mcp_tool_permissions: toolsByServer.optional(),
  blocked_tools: names.optional(),
  mcp_tool_search_enabled: flag.optional(),
})

const limit = z.int().nonnegative()
const limits = z.record(z.string(), limit)

export const virtualKeySchema = z.looseObject({
  key: secretSchema.optional(),
  api_key: secretSchema.optional(),
  key_alias: z.string().min(1).optional(),
  alias: z.string().min(1).optional(),
  models: names.optional(),
  mcp_servers: names.optional(),
  mcp_access_groups: names.optional(),
  mcp_tool_permissions: toolsByServer.optional(),
  blocked_tools: names.optional(),
  object_permission: objectPermissionSchema.optional(),
  key_type: z.enum(['default', 'llm_api', 'management', 'read_only']).optional(),
  allowed_routes: names.optional(),
  user_id: z.string().min(1).optional(),
  team_id: z.string().min(1).optional(),
  metadata: freeForm.optional(),
  auto_tools: flag.optional(),
  mcp_limits: loopLimitsSchema.optional(),
  mcp_require_approval: requiredApprovalSchema.optional(),
  guardrails: names.optional(),
  max_budget: z.number().nonnegative().optional(),
  budget_duration: z.string().optional(),
  rpm_limit: limit.optional(),
  tpm_limit: limit.optional(),
  max_parallel_requests: limit.optional(),
  model_rpm_limit: limits.optional(),
  model_tpm_limit: limits.optional(),
  mcp_rpm_limit: limits.optional(),
  disable_global_guardrails: flag.optional(),
})

/** One key of the file. An absent list inherits, an empty one is none (for models: every model). */
export interface VirtualKeyEntry {
  readonly path: ConfigPath
  readonly key: Secret
  /** The name under which the file has it. */
  readonly keyField: 'key' | 'api_key'
  readonly alias: string | undefined
  readonly models: readonly string[] | undefined
  readonly mcpServers: readonly string[] | undefined
  /** The fields of `/key/generate`, the ones above among them; for the store. */
  readonly settings: Readonly<Record<string, unknown>>
}

export function readVirtualKeys(value: unknown, report: Report): VirtualKeyEntry[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    report.error(['virtual_keys'], `must be a list, is ${kindOf(value)}`)
    return []
  }
  const entries = value.flatMap((item: unknown, index) => {
    return readVirtualKey(item ?? {}, ['virtual_keys', index], report) ?? []
  })
  for (const { index, field, message } of configKeyProblems(entries)) {
    const { path = [], keyField = '' } = entries[index] ?? {}
    const place = field === 'api_key' ? [keyField] : field.split('.').filter((part) => part !== '')
    report.error([...path, ...place], `is refused: ${message}`)
  }
  return entries
}

function readVirtualKey(item: unknown, path: ConfigPath, report: Report): VirtualKeyEntry | undefined {
  const entry = readSection(
    item,
    { path, report },
    { schema: virtualKeySchema, dialect: 'ours', inert: inertVirtualKeySettings },
  )
  if (entry === undefined) return undefined
  const { key: plainKey, api_key: apiKey, alias, ...fields } = entry
  const key = plainKey ?? apiKey
  if (key === undefined) {
    report.error(path, 'must have the key itself under key or api_key')
    return undefined
  }
  if (plainKey !== undefined && apiKey !== undefined) {
    report.error([...path, 'api_key'], 'must not stand beside key: they are two names of one setting')
  }
  const mcpServers = entry.mcp_servers ?? entry.object_permission?.mcp_servers
  const keyAlias = entry.key_alias ?? alias
  return {
    path,
    key,
    keyField: plainKey === undefined ? 'api_key' : 'key',
    alias: keyAlias,
    models: entry.models,
    mcpServers,
    settings: { ...fields, ...(keyAlias !== undefined && { key_alias: keyAlias }) },
  }
}
