/**
 * `virtual_keys`: keys that the file declares and every start puts into the store. A section of ours, so unknown keys are
 * errors; fields are named as in `/key/generate`.
 */
import { type Secret, secretSchema } from '@toolgate/core'
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
})

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
  user_id: z.string().min(1).optional(),
  team_id: z.string().min(1).optional(),
  metadata: freeForm.optional(),
  auto_tools: flag.optional(),
})

/** One key of the file. An absent list inherits, an empty one is none (for models: every model). */
export interface VirtualKeyEntry {
  readonly path: ConfigPath
  readonly key: Secret
  readonly alias: string | undefined
  readonly models: readonly string[] | undefined
  readonly mcpServers: readonly string[] | undefined
  /** Chat requests of this key get its tools unasked: on where it lists `mcp_servers`, unless `auto_tools: false`. */
  readonly autoTools: boolean
  /** The fields of `/key/generate`, the ones above among them; for the store. */
  readonly settings: Readonly<Record<string, unknown>>
}

export function readVirtualKeys(value: unknown, report: Report): VirtualKeyEntry[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    report.error(['virtual_keys'], `must be a list, is ${kindOf(value)}`)
    return []
  }
  const seen = new Set<string>()
  return value.flatMap((item: unknown, index) => {
    const entry = readVirtualKey(item ?? {}, ['virtual_keys', index], report)
    if (entry === undefined) return []
    if (seen.has(entry.key.reveal())) report.error(entry.path, 'has a key that an entry above has already')
    seen.add(entry.key.reveal())
    return entry
  })
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
  const autoTools = entry.auto_tools ?? (mcpServers !== undefined && mcpServers.length > 0)
  const keyAlias = entry.key_alias ?? alias
  return {
    path,
    key,
    alias: keyAlias,
    models: entry.models,
    mcpServers,
    autoTools,
    settings: { ...fields, ...(keyAlias !== undefined && { key_alias: keyAlias }), auto_tools: autoTools },
  }
}
