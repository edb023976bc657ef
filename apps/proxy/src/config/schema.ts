/**
 * The whole configuration: which sections there are, and the plain object the rest of the proxy works with. Sections
 * describe themselves in their own files.
 */
import { z } from 'zod'
import { inertTopLevelKeys } from './litellm-keys.ts'
import { type ModelEntry, readModels } from './models.ts'
import type { Report } from './report.ts'
import { readSection } from './section.ts'
import type { ServerKeys } from './server-auth-block.ts'
import type { JwtVariables } from './jwt-settings.ts'
import { readServers, type Servers } from './server-entry.ts'
import { readSettings, type Settings } from './settings.ts'
import { readVirtualKeys, type VirtualKeyEntry } from './virtual-keys.ts'

/** Everything the file says, checked. It holds no plain secret, so it may be logged. */
export interface ProxyConfig extends Settings, Servers {
  readonly models: readonly ModelEntry[]
  readonly virtualKeys: readonly VirtualKeyEntry[]
}

export const topLevelSchema = z.object({
  environment_variables: z.unknown().optional(),
  general_settings: z.unknown().optional(),
  litellm_settings: z.unknown().optional(),
  model_list: z.unknown().optional(),
  mcp_servers: z.unknown().optional(),
  router_settings: z.unknown().optional(),
  guardrails: z.unknown().optional(),
  virtual_keys: z.unknown().optional(),
})

/** Reads substituted data. What is wrong goes to `report`; the result is only worth using where that has no error. */
export function readConfig(
  data: unknown,
  { keys, variables }: { keys: ServerKeys; variables: JwtVariables },
  report: Report,
): ProxyConfig {
  const sections =
    readSection(data, { path: [], report }, { schema: topLevelSchema, dialect: 'litellm', inert: inertTopLevelKeys }) ??
    {}
  return {
    ...readSettings(sections, variables, report),
    models: readModels(sections.model_list, report),
    ...readServers(sections.mcp_servers, keys, report),
    virtualKeys: readVirtualKeys(sections.virtual_keys, report),
  }
}
