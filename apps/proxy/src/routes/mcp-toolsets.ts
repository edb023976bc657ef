import { invalidRequest, parseRequest, unknownFields } from '@toolgate/auth'
import { type Caller, GatewayError, isJsonObject } from '@toolgate/core'
import { grantsToolset, type Registry, type StoredToolsets, type Toolset, type Toolsets } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { changedBy } from '../changed-by.ts'
import { readJsonObject } from '../json-body.ts'
import type { ServerSet } from '../server-set.ts'
import { findServer } from '../stored-servers/find-server.ts'

export interface McpToolsetRoutes {
  readonly toolsets: Pick<Toolsets, 'find' | 'list' | 'refresh'>
  readonly storedToolsets: Pick<StoredToolsets, 'insert' | 'update' | 'remove'>
  readonly registry: Pick<Registry, 'list'>
  readonly serverSet: Pick<ServerSet, 'stored'>
}

/** Tools of one toolset. */
const mostTools = 1_000

/** It stands in paths and lists: `/toolset/{name}/mcp`, `litellm_proxy/mcp/{names}`. */
const toolsetName = z
  .string()
  .max(128)
  .regex(/^(?!\s)[^\p{Cc},/]+(?<!\s)$/u, 'must hold no comma, no slash, no control character, and no space at its ends')
const description = z.string().max(4_096).nullish()
const tool = z.object({ server_id: z.string().min(1).max(512), tool_name: z.string().min(1).max(512) })
const tools = z.array(tool).max(mostTools)

export const newToolset = z.object({ toolset_name: toolsetName, description, tools })
export const changedToolset = z.object({
  toolset_id: z.string().min(1),
  toolset_name: toolsetName.optional(),
  description,
  tools: tools.nullish(),
})

/** The gateway's own to say: accepted, so that what was read can be sent back. */
const ownedByGateway = ['toolset_id', 'created_at', 'created_by', 'updated_at', 'updated_by', 'warnings']

/** LiteLLM's `/v1/mcp/toolset`: administrators write, everybody else reads what its key was granted. */
export function mcpToolsetRoutes({ toolsets, storedToolsets, registry, serverSet }: McpToolsetRoutes) {
  const find = ({ principal }: Caller, handle: string): Toolset => {
    const toolset = toolsets.find(handle)
    if (toolset === undefined || !grantsToolset(principal, toolset)) throw toolsetNotFound(handle)
    return toolset
  }
  const resolve: ResolveServer = (handle) => findServer(handle, registry.list(), serverSet.stored())?.id

  return new Hono<AppEnv>()
    .post('/v1/mcp/toolset', async (context) => {
      requireToolsetAdmin(context.var.caller, 'create')
      const { request, warnings } = await read(context, newToolset)
      const { toolset_name: name, description: about = null } = request
      const toolset = { name, description: about, tools: resolveTools(request.tools, { resolve, known: [] }) }
      const row = await storedToolsets.insert(toolset, changedBy(context))
      await toolsets.refresh()
      return context.json({ ...encodeToolset(row), ...warnings }, 201)
    })
    .put('/v1/mcp/toolset', async (context) => {
      requireToolsetAdmin(context.var.caller, 'update')
      const { request, warnings } = await read(context, changedToolset)
      const { id } = find(context.var.caller, request.toolset_id)
      const change = (current: Toolset['row']) => ({
        name: request.toolset_name ?? current.name,
        description: request.description === undefined ? current.description : request.description,
        tools:
          request.tools === undefined
            ? current.tools
            : resolveTools(request.tools ?? [], { resolve, known: current.tools }),
      })
      const row = await storedToolsets.update(id, change, changedBy(context))
      if (row === undefined) throw toolsetNotFound(request.toolset_id)
      await toolsets.refresh()
      return context.json({ ...encodeToolset(row), ...warnings }, 202)
    })
    .get('/v1/mcp/toolset', (context) => {
      const { principal } = context.var.caller
      const granted = toolsets.list().filter((toolset) => grantsToolset(principal, toolset))
      return context.json(granted.map(({ row }) => encodeToolset(row)))
    })
    .get('/v1/mcp/toolset/:toolset_id', (context) =>
      context.json(encodeToolset(find(context.var.caller, context.req.param('toolset_id')).row)),
    )
    .delete('/v1/mcp/toolset/:toolset_id', async (context) => {
      requireToolsetAdmin(context.var.caller, 'delete')
      const handle = context.req.param('toolset_id')
      const removed = await storedToolsets.remove(find(context.var.caller, handle).id, changedBy(context))
      if (!removed) throw toolsetNotFound(handle)
      await toolsets.refresh()
      return context.body(null, 202)
    })
}

/** One answer for a toolset that does not exist and one that is not granted. */
export function toolsetNotFound(handle: string): GatewayError {
  return new GatewayError('TOOLSET_NOT_FOUND', `Unknown MCP toolset: ${handle}`)
}

function requireToolsetAdmin({ principal }: Caller, what: string): void {
  if (principal.admin) return
  throw new GatewayError('ADMIN_ONLY', `Only a PROXY_ADMIN can ${what} MCP toolsets.`)
}

async function read<Schema extends z.ZodObject>(context: Context<AppEnv>, schema: Schema) {
  const body = await readJsonObject(context)
  const known = [...Object.keys(schema.shape), ...ownedByGateway]
  const unknown = [...unknownFields(body, { known }), ...unknownInTools(body['tools'])]
  const warnings = unknown.map((field) => `${field} is not a known field; it is ignored.`)
  return { request: parseRequest(schema, body), warnings: warnings.length > 0 && { warnings } }
}

function unknownInTools(given: unknown): readonly string[] {
  if (!Array.isArray(given)) return []
  const known = Object.keys(tool.shape)
  return given.slice(0, mostTools).flatMap((one: unknown, index) => {
    if (!isJsonObject(one)) return []
    const path = ['tools', String(index)]
    return unknownFields(one, { known, path }).map((field) => [...path, field].join('.'))
  })
}

type ResolveServer = (handle: string) => string | undefined
type ToolsetTools = Toolset['row']['tools']

/**
 * Servers by their ids, each tool once. A server that nobody has is a mistake, unless the toolset has it already: it must
 * be possible to change what is beside one that was removed.
 */
function resolveTools(
  wanted: ToolsetTools,
  { resolve, known }: { resolve: ResolveServer; known: ToolsetTools },
): ToolsetTools {
  const ids = new Set(known.map(({ server_id }) => server_id))
  const resolved = wanted.map(({ server_id: handle, tool_name }, index) => {
    const server_id = ids.has(handle) ? handle : resolve(handle)
    if (server_id !== undefined) return { server_id, tool_name }
    throw invalidRequest([
      { path: ['tools', index, 'server_id'], message: 'There is no such MCP server.', code: 'unknown_server' },
    ])
  })
  return [...new Map(resolved.map((one) => [JSON.stringify([one.server_id, one.tool_name]), one])).values()]
}

function encodeToolset({ id, name, ...row }: Toolset['row']) {
  return {
    toolset_id: id,
    toolset_name: name,
    description: row.description,
    tools: row.tools,
    created_at: row.createdAt.toISOString(),
    created_by: row.createdBy,
    updated_at: row.updatedAt.toISOString(),
    updated_by: row.updatedBy,
  }
}
