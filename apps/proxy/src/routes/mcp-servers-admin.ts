import { parseRequest } from '@toolgate/auth'
import { encodeOutcome, GatewayError } from '@toolgate/core'
import type { Catalog, Gateway } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { changedBy } from '../changed-by.ts'
import { readJsonObject } from '../json-body.ts'
import { requireServerAdmin } from '../require-admin.ts'
import type { ServerSet } from '../server-set.ts'
import { noSuchServer, type ServerAdmin, type WrittenServer } from '../stored-servers/admin.ts'
import { findServer, type FoundServer } from '../stored-servers/find-server.ts'
import { importServersSchema } from '../stored-servers/import-file.ts'
import { importServers } from '../stored-servers/import-servers.ts'
import { toTable } from '../stored-servers/present.ts'

export interface McpServerAdminRoutes {
  readonly serverAdmin: ServerAdmin
  readonly serverSet: Pick<ServerSet, 'stored'>
  readonly gateway: Gateway
  readonly catalog: Pick<Catalog, 'refresh' | 'versions'>
}

/** LiteLLM's `/v1/mcp/server`, the part that writes, for administrators. No answer holds a secret. */
export function mcpServerAdminRoutes({ serverAdmin, serverSet, gateway, catalog }: McpServerAdminRoutes) {
  const find = (context: Context<AppEnv>): FoundServer => {
    const handle = context.req.param('server_id') ?? ''
    const found = findServer(handle, gateway.select(context.var.caller).servers, serverSet.stored())
    if (found === undefined) throw noSuchServer(handle)
    return found
  }

  return new Hono<AppEnv>()
    .post('/v1/mcp/server', async (context) => {
      requireServerAdmin(context.var.caller, 'create')
      return context.json(
        encodeWritten(await serverAdmin.create(await readJsonObject(context), changedBy(context))),
        201,
      )
    })
    .put('/v1/mcp/server', async (context) => {
      requireServerAdmin(context.var.caller, 'update')
      return context.json(
        encodeWritten(await serverAdmin.update(await readJsonObject(context), changedBy(context))),
        202,
      )
    })
    .post('/v1/mcp/server/import', async (context) => {
      requireServerAdmin(context.var.caller, 'create')
      const request = parseRequest(importServersSchema, await readJsonObject(context))
      return context.json(await importServers(request, { create: serverAdmin.create, actor: changedBy(context) }))
    })
    .delete('/v1/mcp/server/:server_id', async (context) => {
      requireServerAdmin(context.var.caller, 'delete')
      await serverAdmin.remove(context.req.param('server_id'), changedBy(context))
      return context.body(null, 202)
    })
    .post('/v1/mcp/server/:server_id/refresh', async (context) => {
      requireServerAdmin(context.var.caller, 'refresh')
      const { server, name, reason } = find(context)
      if (server === undefined) throw new GatewayError('INVALID_REQUEST', `${name} is not in use: ${reason}`)
      const lists = await catalog.refresh(server, context.var.caller.signal)
      return context.json({
        server_id: server.id,
        server_name: server.name,
        lists: lists.map(({ kind, outcome, listing }) => ({
          kind,
          items: listing?.items.length ?? null,
          outcome: encodeOutcome(outcome),
        })),
      })
    })
    .get('/v1/mcp/server/:server_id/versions', async (context) => {
      requireServerAdmin(context.var.caller, 'view')
      const { id, name } = find(context)
      const versions = await catalog.versions(id)
      return context.json({
        server_id: id,
        server_name: name,
        versions: versions.map((version) => ({ ...version, at: version.at.toISOString() })),
      })
    })
}

function encodeWritten({ row, warnings }: WrittenServer) {
  return { ...toTable({ admin: true, row }), ...(warnings.length > 0 && { warnings }) }
}
