import { isJsonObject, type JsonObject } from '@toolgate/core'
import type { ManagedServer } from './registry/managed-server.ts'

/**
 * Dollars of one call of a tool: LiteLLM's `mcp_info.mcp_server_cost_info`, by the server's own name of the tool, else its
 * default; undefined where neither is said.
 */
export function callCost({ info }: Pick<ManagedServer, 'info'>, tool: string | undefined): number | undefined {
  const costs = info['mcp_server_cost_info']
  if (!isCosts(costs)) return undefined
  const byTool = costs['tool_name_to_cost_per_query']
  const own = tool !== undefined && isJsonObject(byTool) && Object.hasOwn(byTool, tool) ? byTool[tool] : undefined
  const cost = own ?? costs['default_cost_per_query']
  return typeof cost === 'number' && Number.isFinite(cost) && cost >= 0 ? cost : undefined
}

function isCosts(value: unknown): value is JsonObject {
  return isJsonObject(value)
}
