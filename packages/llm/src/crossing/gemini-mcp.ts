import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'

/** How entries for servers of the gateway begin, as in every other dialect. */
const ours = 'litellm_proxy'

/**
 * Gemini's own way to name MCP servers, `tools: [{mcpServers: [{name, streamableHttpTransport: {url, headers}}]}]`, as the entries
 * that every door knows. Google runs their tools without asking, and so does the gateway; servers elsewhere stay Google's.
 */
export function withMcpEntries(body: JsonObject): JsonObject {
  const { tools } = body
  if (!Array.isArray(tools) || !tools.some(namesOurs)) return body
  return { ...body, tools: tools.flatMap((tool) => (isJsonObject(tool) && namesOurs(tool) ? toEntries(tool) : [tool])) }
}

function namesOurs(tool: JsonValue): boolean {
  return isJsonObject(tool) && listOf(tool['mcpServers']).some(isOurs)
}

function isOurs(server: JsonValue): boolean {
  return addressOf(server).startsWith(ours)
}

function addressOf(server: JsonValue): string {
  const transport = isJsonObject(server) ? server['streamableHttpTransport'] : undefined
  return isJsonObject(transport) ? textOf(transport['url']) : ''
}

function toEntries({ mcpServers, ...rest }: JsonObject): JsonObject[] {
  const servers = listOf(mcpServers)
  const others = servers.filter((server) => !isOurs(server))
  const kept = { ...rest, ...(others.length > 0 && { mcpServers: others }) }
  return [...(Object.keys(kept).length > 0 ? [kept] : []), ...servers.filter(isOurs).map(toEntry)]
}

function toEntry(server: JsonValue): JsonObject {
  const { name, streamableHttpTransport: transport } = isJsonObject(server) ? server : {}
  const headers = isJsonObject(transport) ? transport['headers'] : undefined
  return {
    type: 'mcp',
    server_label: textOf(name) || 'gateway',
    server_url: addressOf(server),
    require_approval: 'never',
    ...(isJsonObject(headers) && { headers }),
  }
}
