import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { Admission } from './app-env.ts'

/**
 * MCP servers that a request names elsewhere are the provider's to call; a key of this gateway in one of them would be told to
 * the provider. Rejects with `INVALID_REQUEST`.
 */
export function refuseOwnKey(body: JsonObject, admission: Pick<Admission, 'isIn'>): void {
  const named = serversIn(body)
  if (named.length === 0 || !admission.isIn(JSON.stringify(named))) return
  throw new GatewayError(
    'INVALID_REQUEST',
    'tools: an MCP server that the provider is to call holds the key of this gateway. For servers of the gateway use the address "litellm_proxy".',
    { details: { field: 'tools' } },
  )
}

/** OpenAI's and Google's stand among the tools, Anthropic's beside them, and those of a request to Google that is to be counted within it. */
function serversIn({ tools, mcp_servers: servers, generateContentRequest: counted }: JsonObject): JsonValue[] {
  const named = Array.isArray(tools) ? tools.filter(namesServer) : []
  return [...named, ...(servers === undefined ? [] : [servers]), ...(isJsonObject(counted) ? serversIn(counted) : [])]
}

function namesServer(tool: JsonValue): boolean {
  return isJsonObject(tool) && (tool['type'] === 'mcp' || 'mcpServers' in tool || 'mcp_servers' in tool)
}
