import { type Caller, encodeOutcome } from '@toolgate/core'
import type { Gateway, Health, ManagedServer, ServerHealth } from '@toolgate/manager'
import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'

/**
 * LiteLLM's `/v1/mcp/*`, the part that reads: which servers a key may use, how they are, what tools they have. Where a
 * server is and how it is reached is for administrators; credentials are for nobody.
 */
export function mcpServerRoutes({ gateway, health }: { gateway: Gateway; health: Health }) {
  return new Hono<AppEnv>()
    .get('/v1/mcp/server', (context) => {
      const { caller } = context.var
      return context.json(gateway.select(caller).servers.map((server) => encodeServer(server, caller, health)))
    })
    .get('/v1/mcp/server/health', async (context) => {
      const { caller } = context.var
      const wanted = context.req.query('server_ids')?.split(',')
      const servers = gateway
        .select(caller)
        .servers.filter(({ id, name }) => wanted === undefined || wanted.includes(id) || wanted.includes(name))
      const reports = servers.map(async (server) => encodeHealth(server, await health.check(server, caller.signal)))
      return context.json(await Promise.all(reports))
    })
    .get('/v1/mcp/tools', async (context) => {
      const { items, withheld, outcomes } = await gateway.list(context.var.caller, { kind: 'tools' })
      const tools = items.map(({ publicName, definition }) => ({ ...definition, name: publicName }))
      const reasons = withheld.map(({ server, name, reason }) => ({ server: server.name, name, reason }))
      return context.json({
        tools,
        _meta: { 'toolgate/outcomes': outcomes.map(encodeOutcome), 'toolgate/withheld': reasons },
      })
    })
}

function encodeServer(server: ManagedServer, { principal }: Caller, health: Health) {
  const status = health.last(server)
  const forEveryone = {
    server_id: server.id,
    server_name: server.name,
    alias: server.alias ?? null,
    description: server.description ?? null,
    transport: server.transportType,
    auth_type: server.auth.type,
    mcp_info: server.info,
    allow_all_keys: server.allowAllKeys,
    status: status.status,
    last_health_check: toIso(status.checkedAt),
    health_check_error: status.message ?? null,
  }
  // Names of other tools and groups would tell a key what it may not use; its own tools are in its lists.
  const hidden = { mcp_access_groups: [], allowed_tools: [], url: null, static_headers: null, extra_headers: null }
  if (!principal.admin) return { ...forEveryone, ...hidden, credentials: null }
  return {
    ...forEveryone,
    mcp_access_groups: [...server.accessGroups],
    allowed_tools: [...(server.allowedTools ?? [])],
    url: server.address,
    static_headers: Object.fromEntries([...server.staticHeaders.keys()].map((name) => [name, '[redacted]'])),
    extra_headers: [...server.extraHeaders],
    credentials: null,
    origin: server.origin,
  }
}

function encodeHealth({ id, name }: ManagedServer, { status, message, checkedAt }: ServerHealth) {
  return {
    server_id: id,
    server_name: name,
    status,
    last_health_check: toIso(checkedAt),
    health_check_error: message ?? null,
  }
}

function toIso(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString()
}
