import {
  type Caller,
  isFailedOutcome,
  isJsonObject,
  type JsonObject,
  outcomeError,
  type ServerOutcome,
} from '@toolgate/core'
import {
  type Gateway,
  isVirtualTool,
  type ListedItem,
  type ManagedServer,
  type Offer,
  type Reach,
} from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { aimAt } from '../aim-at.ts'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { parseBody } from '../parse-body.ts'
import { encodingLists } from '../render/encoded-list.ts'
import { callableItems, offerMeta } from '../render/offer.ts'
import { toolsetNotFound } from './mcp-toolsets.ts'

/**
 * The REST door: LiteLLM's `/mcp-rest/tools/*`, and `/mcp/tools/*` for clients that name a tool without its server.
 * Decodes, asks the gateway, encodes. Each list shows the names that the call beside it takes; results are the upstream's
 * `CallToolResult` as it came.
 */
export function mcpRestRoutes({ gateway }: { gateway: Gateway }) {
  const list = (encode: (offer: Offer) => Uint8Array<ArrayBuffer>) => async (context: Context<AppEnv>) => {
    const named = context.req.query('server_id') ?? context.req.query('mcp_server_name')
    const servers = named === undefined ? undefined : [named]
    const { caller } = context.var
    const toolset = context.req.query('toolset_name')
    aimAt(context, () => selected(gateway, caller, { named, toolset }))
    const reach = toolsetReach(gateway, caller, toolset)
    const offer = await gateway.list(caller, { kind: 'tools', servers, reach })
    if (named !== undefined) throwFault(offer.outcomes)
    return context.body(encode(offer), 200, { 'content-type': 'application/json' })
  }

  return new Hono<AppEnv>()
    .get('/mcp-rest/tools/list', list(encodingBesideServers()))
    .get('/mcp/tools/list', list(encodingByPublicName()))
    .post('/mcp-rest/tools/call', async (context) => {
      const body = await readJsonObject(context)
      // The tools of tool search belong to no server.
      const schema = isVirtualTool(body['name']) ? virtualToolCall : serverToolCall
      const { server_id: server, ...call } = parseBody(schema, body)
      aimAt(context, () => selected(gateway, context.var.caller, { named: server }))
      const request = { server, method: 'tools/call', params: toParams(call) }
      return context.json(await gateway.send(context.get('caller'), request))
    })
    .post('/mcp/tools/call', async (context) => {
      const body = await readJsonObject(context)
      const call = parseBody(toolCall, isJsonObject(body['params']) ? body['params'] : body)
      aimAt(context, () => selected(gateway, context.var.caller, {}))
      return context.json(await gateway.send(context.get('caller'), { method: 'tools/call', params: toParams(call) }))
    })
}

function selected(
  gateway: Gateway,
  caller: Caller,
  { named, toolset }: { named?: string | undefined; toolset?: string | undefined },
): readonly ManagedServer[] {
  if (toolset !== undefined && named === undefined) return gateway.toolset(caller, toolset)?.servers ?? []
  return gateway.select(caller, named === undefined ? undefined : [named]).servers
}

function toolsetReach(gateway: Gateway, caller: Caller, toolset: string | undefined): Reach | undefined {
  if (toolset === undefined) return undefined
  const selection = gateway.toolset(caller, toolset)
  if (selection === undefined) throw toolsetNotFound(toolset)
  return selection.reach
}

const jsonObject = z.custom<JsonObject>(isJsonObject, 'must be a JSON object').meta({ override: { type: 'object' } })

/** `{name, arguments?, _meta?}`; LiteLLM's clients send null for no arguments. */
export const toolCall = z.object({
  name: z.string().min(1),
  arguments: jsonObject.nullish(),
  _meta: jsonObject.optional(),
})

export const serverToolCall = z.object({
  /** Id, name or alias. */
  server_id: z.string().min(1),
  ...toolCall.shape,
})

const virtualToolCall = serverToolCall.partial({ server_id: true })

function toParams({ name, arguments: given, _meta: meta }: z.output<typeof toolCall>): JsonObject {
  return { name, arguments: given ?? {}, ...(meta !== undefined && { _meta: meta }) }
}

/** A request for one server is answered with that server's fault; a request for all lists the rest. */
function throwFault(outcomes: readonly ServerOutcome[]): void {
  for (const outcome of outcomes) {
    const fault = outcomeError(outcome)
    if (fault !== undefined) throw fault
  }
}

/** Under the names that `/mcp/tools/call` takes, since it is told no server. */
function encodingByPublicName() {
  const encode = encodingLists(({ server, publicName, definition }) => ({
    ...encodeTool(server, definition),
    name: publicName,
  }))
  return ({ items, ...offer }: Offer) => encode(items, aboutList(offer))
}

/** Under their own names beside their server, so that also one without a public name of its own can be called. */
function encodingBesideServers() {
  const encode = encodingLists(({ server, definition }) => encodeTool(server, definition))
  // The same array for the same offer, as the encoder wants it.
  const known = new WeakMap<Offer['items'], Offer['items']>()
  return (offer: Offer) => {
    const items = known.get(offer.items) ?? callableItems(offer)
    known.set(offer.items, items)
    const withheld = offer.withheld.filter(({ definition }) => definition === undefined)
    return encode(items, aboutList({ ...offer, withheld }))
  }
}

function encodeTool({ id, name, alias, info }: ListedItem['server'], definition: JsonObject) {
  return { ...definition, mcp_info: { ...info, server_name: name, server_id: id, alias: alias ?? null } }
}

function aboutList(offer: Omit<Offer, 'items'>) {
  const faults = offer.outcomes.filter(isFailedOutcome)
  return {
    error: faults.length === 0 ? null : 'partial_failure',
    message:
      faults.length === 0
        ? 'Successfully retrieved tools'
        : faults.map(({ serverName, message, status }) => `${serverName}: ${message ?? status}`).join(' '),
    _meta: offerMeta(offer),
  }
}
