import {
  type Caller,
  type CallTrace,
  encodeOutcome,
  GatewayError,
  isFailedOutcome,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type ServerOutcome,
} from '@toolgate/core'
import { targetNotFound } from './authorize.ts'
import type { Catalog, ServerListing } from './catalog/catalog.ts'
import type { Offer } from './catalog/offer.ts'
import type { Offered } from './catalog/offer-memory.ts'
import { createToolFinder, type Findings } from './catalog/search/finder.ts'
import {
  callTool,
  defaultTopK,
  isVirtualServer,
  isVirtualTool,
  maxQueryLength,
  maxTopK,
  searchTool,
  virtualItems,
} from './catalog/search/virtual-tools.ts'
import type { Gateway, ListRequest, SendRequest } from './gateway.ts'
import { listMethods } from './methods.ts'
import type { recording } from './recording.ts'

/**
 * Two tools in place of a catalog, for every door alike: whoever has tool search lists `mcp_tool_search` and
 * `mcp_tool_call` and nothing else, finds its tools with the first and runs them with the second. What is found is what a
 * list of the same caller would show, and what is run goes through the spine under its own name.
 */
export interface ToolSearchOptions {
  readonly catalog: Pick<Catalog, 'shared' | 'watch'>
  readonly recorded: ReturnType<typeof recording>
  /** The lists behind a request, and what of them is the caller's. */
  look(caller: Caller, request: ListRequest): Promise<Look>
}

export interface Look {
  readonly listings: readonly ServerListing[]
  /** Of what should be there and is not. */
  readonly gone: readonly ServerOutcome[]
  offer(listings: readonly ServerListing[]): Offer
  /** What of all of them is the caller's: the one that was made before, while nothing changed. */
  all(): Offered
}

export function withToolSearch(gateway: Gateway, { catalog, recorded, look }: ToolSearchOptions): Gateway {
  const finder = createToolFinder()
  const keepWordsRead = readingAhead(catalog, finder.prepare)

  const search = (caller: Caller, request: SendRequest): Promise<JsonObject> =>
    recorded(caller, { kind: 'tool_call', method: request.method, round: request.round }, async (trace: CallTrace) => {
      trace.publicName = searchTool
      keepWordsRead()
      const wanted = readQuery(request.params['arguments'])
      if ('problem' in wanted) {
        trace.outcome = 'tool_error'
        return failure(wanted.problem)
      }
      const scope = scopeOf(request)
      const { listings, gone, offer } = await look(caller, { ...scope, kind: 'tools', reach: request.reach })
      trace.outcome = 'ok'
      const findings = await finder.find({ ...wanted, listings, offer })
      return encodeFindings({ ...findings, outcomes: [...findings.outcomes, ...gone] })
    })

  return {
    ...gateway,
    async list(caller, request) {
      const { reach, kind, servers } = request
      if (reach?.onlySearch === true && kind !== 'tools') throw unavailable()
      if (!searches(caller, request) || kind !== 'tools') return gateway.list(caller, request)
      return recorded(caller, { kind: 'list', method: listMethods[kind].method }, async () => {
        keepWordsRead()
        // Whoever names a server hears how it is. Of all the others the search says which it could not look through.
        const listings = servers === undefined ? [] : (await look(caller, request)).listings
        return { items: virtualItems, withheld: [], unapproved: [], outcomes: listings.map(({ outcome }) => outcome) }
      })
    },
    async send(caller, request) {
      const { method, params, reach } = request
      const name = method === 'tools/call' ? params['name'] : undefined
      if (reach?.onlySearch === true) {
        if (method !== 'tools/call') throw unavailable()
        if (!isVirtualTool(name))
          return failure(`Tool ${typeof name === 'string' ? name : 'without a name'} is unavailable on /mcp/proxy`)
      }
      if (!isVirtualTool(name)) return gateway.send(caller, request)
      if (!searches(caller, request)) return withoutSearch(gateway.send(caller, request), name)
      if (name === searchTool) return search(caller, request)
      return run(gateway, caller, request)
    },
  }
}

/** The key has it, or the endpoint; and the request has not named the very tools it wants. */
function searches(
  { principal }: Caller,
  { reach, namesTools = false }: Pick<ListRequest, 'reach' | 'namesTools'>,
): boolean {
  return (principal.toolSearch && !namesTools) || reach?.onlySearch === true
}

/** A server may have a tool of that name; only where there is none, it is the missing right that is the reason. */
async function withoutSearch(sent: Promise<JsonObject>, name: string): Promise<JsonObject> {
  try {
    return await sent
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'TARGET_NOT_FOUND') throw error
    throw new GatewayError('TARGET_NOT_FOUND', `Tool ${name} requires mcp_tool_search_enabled on the key`, {
      details: { error: 'forbidden' },
    })
  }
}

function unavailable(): GatewayError {
  return new GatewayError('METHOD_NOT_FOUND', 'Operation unavailable on /mcp/proxy')
}

/** `mcp_tool_call`: the same call as by the tool's own name, within the same reach, and no other row than that one's. */
async function run(gateway: Gateway, caller: Caller, request: SendRequest): Promise<JsonObject> {
  const given = request.params['arguments']
  const { tool_name: name, arguments: input } = isJsonObject(given) ? given : {}
  if (typeof name !== 'string' || name === '') return failure(`${callTool}: "tool_name" must be a non-empty string.`)
  if (input !== undefined && input !== null && !isJsonObject(input)) {
    return failure(`${callTool}: "arguments" must be an object.`)
  }
  if (isVirtualTool(name)) throw targetNotFound('tool', name)
  const { server: _server, ...rest } = request
  const params = { ...request.params, name, arguments: input ?? {} }
  return gateway.send(caller, { ...rest, ...serverOf(request), params })
}

/** A server that is named beside a virtual tool narrows what is searched and run. */
function scopeOf(request: SendRequest): Pick<ListRequest, 'servers' | 'onlyServer'> {
  const { server } = serverOf(request)
  return { ...(server !== undefined && { servers: [server] }), onlyServer: request.onlyServer ?? true }
}

function serverOf({ server }: SendRequest): Pick<SendRequest, 'server'> {
  return server === undefined || isVirtualServer(server) ? {} : { server }
}

type Query = { readonly query: string; readonly limit: number } | { readonly problem: string }

function readQuery(given: JsonValue | undefined): Query {
  const { query, top_k: limit } = isJsonObject(given) ? given : {}
  if (typeof query !== 'string' || query.trim() === '') {
    return { problem: `${searchTool}: "query" must be a non-empty string.` }
  }
  if (query.length > maxQueryLength) {
    return { problem: `${searchTool}: "query" is longer than ${maxQueryLength} characters.` }
  }
  if (limit === undefined || limit === null) return { query, limit: defaultTopK }
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1)
    return { query, limit: Math.min(limit, maxTopK) }
  return { problem: `${searchTool}: "top_k" must be a whole number from 1 to ${maxTopK}.` }
}

function failure(text: string): JsonObject {
  return { content: [{ type: 'text', text }], isError: true }
}

/** The first text is LiteLLM's: the definitions as a JSON array. What could not be searched follows in words. */
function encodeFindings({ items, outcomes }: Findings): JsonObject {
  const tools = items.map(({ publicName, definition }) => ({ ...definition, name: publicName }))
  const failed = outcomes.filter(isFailedOutcome)
  const reasons = failed.map(({ serverName, status, message }) => `${serverName}: ${message ?? status}`)
  return {
    content: [
      { type: 'text', text: JSON.stringify(tools) },
      ...(failed.length === 0 ? [] : [{ type: 'text', text: `Could not be searched: ${reasons.join(' ')}` }]),
    ],
    isError: false,
    ...(failed.length > 0 && { _meta: { 'toolgate/outcomes': failed.map(encodeOutcome) } }),
  }
}

/**
 * From the first use of tool search on, the words of every list that is read for everybody are read in the background, one
 * pass at a time: gateways that have no use for it pay nothing.
 */
function readingAhead(catalog: ToolSearchOptions['catalog'], prepare: ReturnType<typeof createToolFinder>['prepare']) {
  let wanted = false
  let pending = false
  const pass = () => {
    if (pending) return
    pending = true
    // Lists that arrive meanwhile belong to the same pass.
    setImmediate(() => {
      pending = false
      void prepare(catalog.shared('tools'))
    })
  }
  catalog.watch((_attempt, kind) => {
    if (wanted && kind === 'tools') pass()
  })
  return () => {
    if (wanted) return
    wanted = true
    pass()
  }
}
