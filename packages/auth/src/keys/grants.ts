/**
 * From a key's row to what it may reach. Pure, and the only place that knows LiteLLM's sentinels.
 */
import type { Grants } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'

/** `general_settings.mcp_default_access`: what a key may reach that was given no MCP grant at all. */
export type DefaultAccess = 'none' | 'all'

const noServersSentinel = 'no-mcp-servers'
const everyServerSentinel = 'all-proxy-mcpservers'
/** Stands for the servers of the key's team; a key without one gets nothing by it. */
const teamServersSentinel = 'all-team-mcpservers'
const sentinels = new Set([noServersSentinel, everyServerSentinel, teamServersSentinel])
const everyModelSentinel = 'all-proxy-models'

/**
 * An MCP grant that is absent inherits the default, one that is `[]` is none. Writing any of servers, groups or tools
 * makes the grant explicit: a key that was given some tools of one server does not get every other server by default. So
 * does a toolset.
 * `no-default-models` stays in the set as a name that no model has: no model, but not the empty set, which is every one.
 */
export function grantsOf(
  { objectPermission, models, allowedRoutes }: Pick<VirtualKeyRow, 'objectPermission' | 'models' | 'allowedRoutes'>,
  defaultAccess: DefaultAccess,
): Grants {
  const { mcp_servers, mcp_access_groups, mcp_tool_permissions, mcp_toolsets, blocked_tools } = objectPermission ?? {}
  const named = new Set(mcp_servers)
  const noServers = named.has(noServersSentinel)
  const tools = Object.entries(mcp_tool_permissions ?? {})
  const inherits = mcp_servers == null && mcp_access_groups == null && mcp_toolsets == null && tools.length === 0
  const everyServer = named.has(everyServerSentinel) || (inherits && defaultAccess === 'all')
  return {
    noServers,
    allServers: everyServer && !noServers,
    servers: noServers ? new Set() : new Set([...named].filter((name) => !sentinels.has(name))),
    accessGroups: new Set(noServers ? [] : mcp_access_groups),
    toolsByServer: new Map(noServers ? [] : tools.map(([server, names]) => [server, new Set(names)])),
    toolsets: new Set(noServers ? [] : mcp_toolsets),
    blockedTools: new Set(blocked_tools),
    // Rows of before hold what they were given; what is no text matches no route, which narrows.
    routes: new Set(allowedRoutes.map(String)),
    models: models.includes(everyModelSentinel) ? new Set() : new Set(models),
  }
}
