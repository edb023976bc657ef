import {
  type Caller,
  GatewayError,
  type JsonObject,
  outcomeError,
  parseJsonObject,
  type ProtocolEra,
} from '@toolgate/core'
import { type Gateway, type HeaderOf, type ListKind, listKinds, listMethods, type Offer } from '@toolgate/manager'
import { callableItems, offerMeta } from '../../render/offer.ts'
import { plainTool, withInputSchema } from './plain-tool.ts'
import type { View } from './view.ts'

/** One request as every era of the protocol means it. */
export interface McpRequest {
  readonly caller: Caller
  readonly view: View
  readonly method: string
  readonly params: JsonObject
  /** Where a modern request repeats its arguments. */
  readonly headerOf?: HeaderOf | undefined
}

/** The result of a request, or a `GatewayError`. What an upstream answered is relayed as it came. */
export type Answer = (request: McpRequest) => Promise<JsonObject>

/**
 * Lists are one page: some clients read no second one. Only beyond this many items there is a cursor, which is a position
 * and no state.
 */
const itemsPerPage = 1_000

const kindOfList = new Map<string, ListKind>(listKinds.map((kind) => [listMethods[kind].method, kind]))

/** The part of the protocol that is the same in every era: lists, and what is aimed at one thing of one server. */
export function createAnswer({ gateway }: { gateway: Gateway }): Answer {
  return async (request) => {
    const { caller, view, method, params, headerOf } = request
    const kind = kindOfList.get(method)
    if (kind !== undefined) return list(gateway, kind, request)
    if (method === 'ping') return {}
    return gateway.send(caller, {
      server: view.single?.id,
      relay: view.single !== undefined,
      reach: view,
      method,
      params,
      headerOf,
    })
  }
}

async function list(gateway: Gateway, kind: ListKind, { caller, view, params }: McpRequest): Promise<JsonObject> {
  const { single } = view
  const servers = single === undefined ? undefined : [single.id]
  const offer = await gateway.list(caller, { kind, servers, reach: view })
  const era = caller.peer.era ?? 'legacy'
  const items = single === undefined ? offer.items : ownItems(offer)
  const from = offsetOf(params['cursor'])
  const to = from + itemsPerPage
  const page = items.slice(from, to)
  return {
    [kind]: single === undefined ? renamed(kind, page, era) : asSent(kind, page),
    ...(to < items.length && { nextCursor: cursorOf(to) }),
    _meta: aboutList(offer, view),
  }
}

/** Under the names that a call takes. URIs are never rewritten. */
function renamed(kind: ListKind, items: Offer['items'], era: ProtocolEra): JsonObject[] {
  if (listMethods[kind].target === 'resource') return items.map(({ definition }) => definition)
  return items.map(({ definition, publicName }) => {
    const plain = kind === 'tools' ? plainTool(definition, era) : definition
    return { ...plain, name: publicName }
  })
}

/** As the server sent them, but for a schema that must not be missing. */
function asSent(kind: ListKind, items: Offer['items']): JsonObject[] {
  return items.map(({ definition }) => (kind === 'tools' ? withInputSchema(definition) : definition))
}

/** A server that cannot list is the answer. */
function ownItems(offer: Offer): Offer['items'] {
  for (const outcome of offer.outcomes) {
    const fault = outcomeError(outcome)
    if (fault !== undefined) throw fault
  }
  // What has no name among many can be called here all the same.
  return callableItems(offer)
}

function aboutList({ withheld, ...offer }: Offer, { single, unresolved }: View): JsonObject {
  const missing = single === undefined ? withheld : withheld.filter(({ definition }) => definition === undefined)
  return {
    ...offerMeta({ ...offer, withheld: missing }),
    ...(unresolved.length > 0 && { 'toolgate/unresolved': [...unresolved] }),
  }
}

function cursorOf(offset: number): string {
  return Buffer.from(JSON.stringify({ from: offset })).toString('base64url')
}

/** Some clients send null or an empty string for none. */
function offsetOf(cursor: unknown): number {
  if (cursor === undefined || cursor === null || cursor === '') return 0
  const offset = typeof cursor === 'string' ? readCursor(cursor) : undefined
  if (offset === undefined)
    throw new GatewayError('INVALID_REQUEST', '"cursor" is none that a list of this gateway gave.')
  return offset
}

function readCursor(cursor: string): number | undefined {
  const from = parseJsonObject(Buffer.from(cursor, 'base64url').toString())?.['from']
  return typeof from === 'number' && Number.isSafeInteger(from) && from > 0 ? from : undefined
}
