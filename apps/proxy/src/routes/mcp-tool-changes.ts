import { parseRequest } from '@toolgate/auth'
import type { Logger } from '@toolgate/core'
import {
  type DefinitionRecord,
  diffDefinitions,
  type Gateway,
  type Registry,
  type ToolDefinitions,
  type ToolTrust,
  type Verdict,
} from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { changedBy } from '../changed-by.ts'
import { readJsonObject } from '../json-body.ts'
import { requireServerAdmin } from '../require-admin.ts'
import type { ServerSet } from '../server-set.ts'
import { noSuchServer } from '../stored-servers/admin.ts'
import { findServer, type FoundServer } from '../stored-servers/find-server.ts'

export interface McpToolChangeRoutes {
  readonly gateway: Pick<Gateway, 'select'>
  readonly registry: Pick<Registry, 'find'>
  readonly serverSet: Pick<ServerSet, 'stored'>
  readonly toolDefinitions: Pick<ToolDefinitions, 'records' | 'decide'>
  readonly toolTrust: Pick<ToolTrust, 'refresh'>
  readonly log: Logger
}

export const toolChangesQuery = z.object({ status: z.enum(['pending', 'approved', 'rejected']).default('pending') })

/** Which definitions are meant; `all` is what is pending when the request comes. A definition is named by what was looked at. */
export const toolDecision = z.strictObject({
  tools: z
    .array(z.strictObject({ tool_name: z.string().min(1), hash: z.string().min(1) }))
    .min(1)
    .max(1_000)
    .optional(),
  all: z.boolean().optional(),
})

/** What tools of pinned servers say of themselves that nobody approved yet, and the decisions about it. For administrators. */
export function mcpToolChangeRoutes({
  gateway,
  registry,
  serverSet,
  toolDefinitions,
  toolTrust,
  log,
}: McpToolChangeRoutes) {
  const find = (context: Context<AppEnv>): FoundServer => {
    const handle = context.req.param('server_id') ?? ''
    const found = findServer(handle, gateway.select(context.var.caller).servers, serverSet.stored())
    if (found === undefined) throw noSuchServer(handle)
    return found
  }
  const statusOf = (context: Context<AppEnv>): Verdict =>
    parseRequest(toolChangesQuery, context.req.query(), 'query').status

  const decide = (verdict: 'approved' | 'rejected') => async (context: Context<AppEnv>) => {
    requireServerAdmin(context.var.caller, verdict === 'approved' ? 'approve tools of' : 'reject tools of')
    const { id, name } = find(context)
    const tools = decidedTools(await readJsonObject(context))
    const decided = await toolDefinitions.decide(id, { tools, verdict }, changedBy(context))
    try {
      await toolTrust.refresh(id)
    } catch (error) {
      // The decision is stored; this gateway follows it as the others do.
      log.warn({ err: error }, 'A decision about tools was stored, and this gateway will hear of it a little later.')
    }
    return context.json({
      server_id: id,
      server_name: name,
      [verdict]: decided.map(({ name: tool_name, hash }) => ({ tool_name, hash })),
    })
  }

  return new Hono<AppEnv>()
    .get('/v1/mcp/tool-changes', async (context) => {
      requireServerAdmin(context.var.caller, 'view tool changes of')
      const byServer = Map.groupBy(await toolDefinitions.records(statusOf(context)), ({ serverId }) => serverId)
      const servers = [...byServer].map(([id, records]) => ({
        ...aboutServer(id, registry.find(id)),
        changes: records.map(encodeChange),
      }))
      return context.json({ servers })
    })
    .get('/v1/mcp/server/:server_id/tool-changes', async (context) => {
      requireServerAdmin(context.var.caller, 'view tool changes of')
      const { id, name, server } = find(context)
      const records = await toolDefinitions.records(statusOf(context), id)
      return context.json({ ...aboutServer(id, server), server_name: name, changes: records.map(encodeChange) })
    })
    .post('/v1/mcp/server/:server_id/tool-changes/approve', decide('approved'))
    .post('/v1/mcp/server/:server_id/tool-changes/reject', decide('rejected'))
}

/** Undefined: everything. Saying neither or both is a mistake: nobody should approve all by leaving something out. */
function decidedTools(body: object) {
  const { tools, all = false } = parseRequest(
    toolDecision.refine(saysWhich, { error: 'Give either tools or all: true.' }),
    body,
  )
  return all ? undefined : tools?.map(({ tool_name, hash }) => ({ name: tool_name, hash }))
}

function saysWhich({ tools, all = false }: z.output<typeof toolDecision>): boolean {
  return (tools !== undefined) !== all
}

function aboutServer(id: string, server: FoundServer['server']) {
  return { server_id: id, server_name: server?.name ?? null, tool_pinning: server?.toolPinning ?? null }
}

/** Against the approved definition that was decided last. A tool that has none is new. */
function encodeChange({
  name,
  hash,
  verdict,
  definition,
  approved,
  firstSeenAt,
  decidedAt,
  decidedBy,
}: DefinitionRecord) {
  return {
    tool_name: name,
    hash,
    status: verdict,
    change: approved === undefined ? 'new' : 'changed',
    diff: approved === undefined ? [] : diffDefinitions(approved, definition),
    definition,
    first_seen_at: firstSeenAt.toISOString(),
    decided_at: decidedAt?.toISOString() ?? null,
    decided_by: decidedBy,
  }
}
