import { type Caller, GatewayError } from '@toolgate/core'
import type { Gateway, Health, ManagedServer } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { offerMeta } from '../render/offer.ts'
import type { ServerSet } from '../server-set.ts'
import { noSuchServer } from '../stored-servers/admin.ts'
import { allServers, findServer } from '../stored-servers/find-server.ts'
import { hasUserCredential } from './mcp-user-credentials.ts'
import { encodeServerHealth, toTable } from '../stored-servers/present.ts'

export interface McpServerRoutes {
  readonly gateway: Gateway
  readonly health: Health
  readonly serverSet: Pick<ServerSet, 'stored'>
}

/**
 * LiteLLM's `/v1/mcp/*`, the part that reads: which servers a key may use, how they are, what tools they have. Where a
 * server is and how it is reached is for administrators; credentials are for nobody.
 */
export function mcpServerRoutes(services: McpServerRoutes) {
  const { gateway, health } = services
  return new Hono<AppEnv>()
    .get('/v1/mcp/server', async (context) => context.json(await listServers(context.var.caller, services)))
    .get('/v1/mcp/server/health', async (context) => {
      const { caller } = context.var
      const reports = wantedServers(context, gateway).map(async ({ name, server }) =>
        server === undefined ? unknownHealth(name) : probe(server, caller, health),
      )
      return context.json(await Promise.all(reports))
    })
    .get('/v1/mcp/server/:server_id', async (context) =>
      context.json(await showServer(context.req.param('server_id'), context.var.caller, services)),
    )
    .get('/v1/mcp/access_groups', (context) => {
      const { caller } = context.var
      const permitted = gateway.select(caller).servers.flatMap(({ accessGroups }) => [...accessGroups])
      // A group that a key was not granted is another's, even where it may use a server of it.
      const { admin, grants } = caller.principal
      const groups = permitted.filter((group) => admin || grants.allServers || grants.accessGroups.has(group))
      return context.json({ access_groups: [...new Set(groups)].toSorted() })
    })
    .get('/v1/mcp/network/client-ip', (context) =>
      context.json({ ip: context.env?.incoming?.socket.remoteAddress ?? null }),
    )
    .get('/v1/mcp/tools', async (context) => {
      const offer = await gateway.list(context.var.caller, { kind: 'tools' })
      const tools = offer.items.map(({ publicName, definition }) => ({ ...definition, name: publicName }))
      return context.json({ tools, _meta: offerMeta(offer) })
    })
}

/** Whatever a caller may use, and for administrators also what is stored and set aside. */
async function listServers(caller: Caller, { gateway, health, serverSet }: McpServerRoutes) {
  const { admin } = caller.principal
  const servers = allServers(gateway.select(caller).servers, admin ? serverSet.stored() : [])
  return Promise.all(
    servers.map(async ({ server, row, reason }) => {
      const has = server && (await hasUserCredential(server, caller))
      return toTable({ admin, server, row, hasUserCredential: has, reason, health: server && health.last(server) })
    }),
  )
}

/** One server, probed at this moment. */
async function showServer(handle: string, caller: Caller, { gateway, health, serverSet }: McpServerRoutes) {
  const { admin } = caller.principal
  const found = findServer(handle, gateway.select(caller).servers, admin ? serverSet.stored() : [])
  if (found === undefined) throw admin ? noSuchServer(handle) : notVisible(handle)
  const { server, row, reason } = found
  const asked = admin ? health.check : health.look
  const checked = server && (await asked(server, caller.signal))
  const diagnostics = admin && server ? { ...server.transport.diagnostics?.(), cause: checked?.cause } : undefined
  const has = server && (await hasUserCredential(server, caller))
  return toTable({ admin, server, row, hasUserCredential: has, reason, health: checked, diagnostics })
}

/** One text for a server that does not exist and one that is another's. */
function notVisible(handle: string): GatewayError {
  return new GatewayError(
    'SERVER_NOT_FOUND',
    `User does not have permission to view mcp server with id ${handle}. You can only view mcp servers that you have access to.`,
    { details: { server: handle } },
  )
}

/** `server_ids`, repeated or separated by commas; without it every server of the caller. */
function wantedServers(context: Context<AppEnv>, gateway: Gateway) {
  const { servers } = gateway.select(context.var.caller)
  const named = context.req.queries('server_ids')?.flatMap((list) => list.split(','))
  if (named === undefined) return servers.map((server) => ({ name: server.name, server }))
  const names = [...new Set(named.map((name) => name.trim()).filter((name) => name !== ''))]
  return names.map((name) => ({
    name,
    server: servers.find(({ id, name: own, alias }) => [id, own, alias].includes(name)),
  }))
}

async function probe(server: ManagedServer, { signal, principal }: Caller, health: Health) {
  const asked = principal.admin ? health.check : health.look
  const report = encodeServerHealth(await asked(server, signal))
  const { status, last_health_check, health_check_error } = report
  const shown = principal.admin ? report : { status, last_health_check, health_check_error }
  return { server_id: server.id, server_name: server.name, ...shown }
}

/** The same for a server that does not exist and one that is another's. */
function unknownHealth(name: string) {
  return {
    server_id: name,
    server_name: name,
    status: 'unknown',
    last_health_check: null,
    health_check_error: `Unknown MCP server: ${name}`,
  }
}
