import { type Caller, isJsonObject, type JsonObject, type ServerOutcome } from '@toolgate/core'
import type { Gateway, Offer } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { outcomeError } from '../outcome-error.ts'
import { parseBody } from '../parse-body.ts'

/**
 * The REST door: LiteLLM's `/mcp-rest/tools/*`, and `/mcp/tools/*` for clients that name a tool without its server.
 * Decodes, asks the gateway, encodes. Lists carry the upstream's own tool names beside their server; results are the
 * upstream's `CallToolResult` as it came.
 */
export function mcpRestRoutes({ gateway }: { gateway: Gateway }) {
  const list = async (context: Context<AppEnv>) => {
    const named = context.req.query('server_id') ?? context.req.query('mcp_server_name')
    const servers = named === undefined ? undefined : [named]
    const offer = await gateway.list(callerOf(context.var.caller, servers), { kind: 'tools', servers })
    if (named !== undefined) throwFault(offer.outcomes)
    return context.json(encodeList(offer))
  }

  /** The name may be that of an access group, which is no one server. */
  const callerOf = (caller: Caller, servers: readonly string[] | undefined): Caller =>
    servers !== undefined && gateway.select(caller, servers).servers.length === 1 ? scopedToOneServer(caller) : caller

  return new Hono<AppEnv>()
    .get('/mcp-rest/tools/list', list)
    .get('/mcp/tools/list', list)
    .post('/mcp-rest/tools/call', async (context) => {
      const { server_id: server, ...call } = parseBody(serverToolCall, await readJsonObject(context))
      const request = { server, method: 'tools/call', params: toParams(call) }
      return context.json(await gateway.send(scopedToOneServer(context.var.caller), request))
    })
    .post('/mcp/tools/call', async (context) => {
      const body = await readJsonObject(context)
      const call = parseBody(toolCall, isJsonObject(body['params']) ? body['params'] : body)
      return context.json(await gateway.send(context.var.caller, { method: 'tools/call', params: toParams(call) }))
    })
}

const jsonObject = z.custom<JsonObject>(isJsonObject, 'must be a JSON object').meta({ override: { type: 'object' } })

/** `{name, arguments?, _meta?}`; LiteLLM's clients send null for no arguments. */
export const toolCall = z.object({
  name: z.string().min(1),
  arguments: jsonObject.nullish(),
  _meta: jsonObject.optional(),
})

export const serverToolCall = toolCall.extend({
  /** Id, name or alias. */
  server_id: z.string().min(1),
})

function toParams({ name, arguments: given, _meta: meta }: z.output<typeof toolCall>): JsonObject {
  return { name, arguments: given ?? {}, ...(meta !== undefined && { _meta: meta }) }
}

function scopedToOneServer(caller: Caller): Caller {
  return { ...caller, forwarded: { ...caller.forwarded, scopedToOneServer: true } }
}

/** A request for one server is answered with that server's fault; a request for all lists the rest. */
function throwFault(outcomes: readonly ServerOutcome[]): void {
  for (const outcome of outcomes) {
    const fault = outcomeError(outcome)
    if (fault !== undefined) throw fault
  }
}

function encodeList({ items, withheld, outcomes }: Offer) {
  const faults = outcomes.filter((outcome) => outcomeError(outcome) !== undefined)
  return {
    tools: [...items, ...withheld].flatMap(encodeTool),
    error: faults.length === 0 ? null : 'partial_failure',
    message:
      faults.length === 0
        ? 'Successfully retrieved tools'
        : faults.map(({ serverName, message, status }) => `${serverName}: ${message ?? status}`).join(' '),
    _meta: {
      'toolgate/outcomes': outcomes,
      'toolgate/withheld': withheld.flatMap(({ server, name, definition, reason }) =>
        definition === undefined ? { server: server.name, name, reason } : [],
      ),
    },
  }
}

/** Tools stand beside their server here, so one that has no public name of its own is listed like the others. */
function encodeTool({ server, definition }: Offer['items'][number] | Offer['withheld'][number]) {
  if (definition === undefined) return []
  const { id, name, alias, info } = server
  return { ...definition, mcp_info: { ...info, server_name: name, server_id: id, alias: alias ?? null } }
}
