import {
  type AuthorizedCall,
  type Caller,
  type Clock,
  composeAround,
  type CredentialSource,
  GatewayError,
  type JsonObject,
  type Layer,
  type NewId,
  type Recorder,
  spend,
  type Target,
} from '@toolgate/core'
import { authorize, serverNotFound } from './authorize.ts'
import { callCost } from './call-cost.ts'
import { type Catalog, patienceMs } from './catalog/catalog.ts'
import { type Offer, offerTo } from './catalog/offer.ts'
import { offerBasis } from './catalog/offer-basis.ts'
import { createOfferMemory } from './catalog/offer-memory.ts'
import { exchanging } from './exchange.ts'
import { addressOf, isUnknown, type ListKind, listMethods } from './methods.ts'
import { type HeaderOf, requireSameArguments } from './modern/argument-headers.ts'
import { permits, type PermitRules, permitsServer } from './permits.ts'
import { narrowed, type Reach, reaches, reachesTarget } from './reach.ts'
import { recording } from './recording.ts'
import type { ManagedServer } from './registry/managed-server.ts'
import type { NameMap } from './registry/name-map.ts'
import type { Registry } from './registry/registry.ts'
import type { Rounds } from './rounds/rounds.ts'
import { type Selection, selectServers, selectToolset } from './registry/selection.ts'
import type { SubscriptionGaps } from './sessions/subscription-gaps.ts'
import { type Look, withToolSearch } from './tool-search.ts'
import type { ToolsetLookup } from './toolsets/toolset.ts'
import type { Handshake } from './upstream/connection.ts'
import type { Upstreams } from './upstream/upstreams.ts'

/**
 * The spine: every request to an upstream, from whatever door, and every list goes through here, top to bottom:
 * record, locate, authorize, policies, credential, acquire, request. Results and lists are relayed as they came; of a
 * request only the public name is replaced by the upstream's own.
 */
export interface Gateway {
  /** Rejects with a `GatewayError`. A tool's own `isError` is a result. */
  send(caller: Caller, request: SendRequest): Promise<JsonObject>
  /** A server that cannot list is an outcome. Rejects with `SERVER_NOT_FOUND` where a named server is not the caller's. */
  list(caller: Caller, request: ListRequest): Promise<Offer>
  /** For doors that do not refuse a request because of one name. */
  select(caller: Caller, names?: readonly string[]): Selection
  /** What a toolset, by id or name, leads this caller to; undefined where there is none or it is not granted. */
  toolset(caller: Caller, handle: string): Selection | undefined
  /** What each server said of itself when it was last connected to, from memory; absent where it never was. */
  introductions(caller: Caller, reach?: Reach): readonly Introduction[]
}

export interface Introduction {
  readonly server: ManagedServer
  readonly handshake: Handshake | undefined
  /** The caller may use all of it, also what nobody here knows. */
  readonly whole: boolean
}

export interface SendRequest {
  /** Id, name or alias. Given, the target is the server's own thing of that name, else the name is read with a prefix. */
  readonly server?: string | undefined
  /** Absent: everything. */
  readonly reach?: Reach | undefined
  readonly method: string
  readonly params: JsonObject
  /** Of a modern request: where it repeats its arguments. */
  readonly headerOf?: HeaderOf | undefined
  /** Of the tool loop that sends it, for the trace. */
  readonly round?: number | undefined
  /** `server` is all that the request's endpoint has: it gets methods that nobody here knows, from callers that may use it whole. */
  readonly relay?: boolean
  /** Where a call is found only here, and wants approval: asked once the target is known and permitted. */
  readonly mayRun?: (target: Target<ManagedServer>, publicName: string) => boolean
  /** False where the door, and not its caller, names the server. Then nothing goes there that was brought without a name. */
  readonly onlyServer?: boolean
}

export interface ListRequest {
  readonly kind: ListKind
  /** Ids, names, aliases, access groups or toolsets; absent: every server of the caller. */
  readonly servers?: readonly string[] | undefined
  /** Absent: everything. */
  readonly reach?: Reach | undefined
  /** The request names the tools it wants: there is nothing to search for, whatever its caller has. */
  readonly namesTools?: boolean
  /** False where this is one list of several for a request that names more servers. */
  readonly onlyServer?: boolean
}

export interface GatewayOptions extends Upstreams {
  readonly registry: Registry
  readonly catalog: Catalog
  readonly names: NameMap
  readonly toolsets: ToolsetLookup
  readonly credentials: CredentialSource
  readonly record: Recorder
  readonly rounds: Rounds
  readonly gaps?: SubscriptionGaps | undefined
  /** The first is the outermost. */
  readonly policies: readonly Layer<AuthorizedCall, JsonObject>[]
  readonly clock: Clock
  readonly newId: NewId
}

export function createGateway(options: GatewayOptions): Gateway {
  const { registry, catalog, names, toolsets } = options
  const permittedTo = permitting(options)
  const soleServer = soleServerOf(options)
  const recorded = recording(options)
  const perform = performing(options)

  const permittedServer = (caller: Caller, handle: string, reach: Reach | undefined): ManagedServer => {
    const server = registry.find(handle)
    if (server === undefined || !permittedTo(caller, reach)(server)) throw serverNotFound(handle)
    return server
  }

  const look = looking(options)

  const gateway: Gateway = {
    send: (
      caller,
      { server: handle, reach, method, params, headerOf, round, relay, mayRun, onlyServer: only = true },
    ) =>
      recorded(caller, aboutSending(method, round), async (trace) => {
        const within = handle === undefined ? undefined : permittedServer(caller, handle, reach)
        const rules = { separator: names.rules.separator, toolsets, reach }
        if (relay === true && within !== undefined && isUnknown(method)) {
          const target = { server: within, kind: 'server' } as const
          const request = { caller, trace, method, params, kind: target.kind, publicName: method, target, ...rules }
          return await perform(authorize(request), within)
        }
        const { kind, name, rename } = addressOf(method, params)
        trace.publicName = name
        const onlyServer = only ? (within ?? soleServer(caller, reach)) : undefined
        const located = names.locate({
          caller,
          kind,
          name,
          server: within,
          onlyServer,
          includes: permittedTo(caller, reach),
          reach,
        })
        const target = located instanceof Promise ? await located : located
        const request = { caller, trace, method, params: rename(target?.name ?? name) }
        const call = authorize({ ...request, kind, publicName: name, target, ...rules })
        if (mayRun?.(call.target, name) === false) throw needsApproval(name)
        if (headerOf !== undefined && kind === 'tool' && call.target.name !== undefined) {
          const { server, name: tool } = call.target
          await requireSameArguments(catalog, { ...call, server, tool, headerOf, onlyServer })
        }
        return await perform(call, onlyServer)
      }),

    list: (caller, request) =>
      recorded(caller, { kind: 'list', method: listMethods[request.kind].method }, async () => {
        const { listings, gone, all } = await look(caller, request)
        return { ...all(), outcomes: [...listings.map(({ outcome }) => outcome), ...gone] }
      }),

    select: ({ principal }, handles) => selectServers(options, principal, handles),

    toolset: ({ principal }, handle) => selectToolset(options, principal, handle),

    introductions: (caller, reach) => introductionsTo(options, { caller, reach }),
  }
  return withToolSearch(gateway, { catalog, recorded, look })
}

/** Everything behind authorization. */
function performing({ policies, rounds, ...upstreams }: GatewayOptions) {
  const exchangeFor = exchanging(upstreams)
  const within = composeAround(policies)
  return async (call: AuthorizedCall<ManagedServer>, onlyServer: ManagedServer | undefined): Promise<JsonObject> => {
    const { server, kind, name } = call.target
    const { trace } = call
    trace.serverId = server.id
    trace.serverName = server.name
    trace.targetName = name
    const perCaller = kind === 'server'
    const state = call.caller.peer.era === 'modern' ? await rounds.resume(call) : undefined
    // A policy may change what is sent, never where to.
    const centre = async (passed: AuthorizedCall) => {
      const exchange = exchangeFor(passed, { server, onlyServer, perCaller })
      const answered = await rounds.ask(passed, { server, state, exchange })
      // It has run, whatever a policy makes of its answer.
      if (kind === 'tool') spend(call, callCost(server, name))
      return answered
    }
    const result = await within(call, centre)
    trace.outcome = result['isError'] === true ? 'tool_error' : 'ok'
    rounds.settle(call, result)
    return result
  }
}

function introductionsTo(
  options: LookingOptions,
  { caller, reach }: { caller: Caller; reach: Reach | undefined },
): readonly Introduction[] {
  const { registry, catalog } = options
  const servers = registry.list().filter(permitting(options)(caller, reach))
  const rules = permitRules(options)
  const wholly = (server: ManagedServer) => {
    const target = { server, kind: 'server' } as const
    return reachesTarget(reach, target) && permits(caller.principal, target, rules)
  }
  return servers.map((server) => ({ server, handshake: catalog.handshake(server), whole: wholly(server) }))
}

function aboutSending(method: string, round: number | undefined) {
  return { kind: method === 'tools/call' ? 'tool_call' : 'mcp_request', method, round } as const
}

function needsApproval(name: string): GatewayError {
  const way = 'A request that names the tool in allowed_tools gets the call handed back for approval.'
  return new GatewayError('INVALID_REQUEST', `"${name}" was not run: it needs approval. ${way}`)
}

/** The lists behind a request, and what of them is the caller's. */
function looking(options: LookingOptions) {
  const { catalog, names } = options
  const memory = createOfferMemory()
  const permittedTo = permitting(options)
  const soleServer = soleServerOf(options)
  return async (
    caller: Caller,
    { kind, servers: handles, reach: given, onlyServer: only = true }: ListRequest,
  ): Promise<Look> => {
    const { principal } = caller
    const selection = selectServers(options, principal, handles)
    const [unknown] = selection.unresolved
    if (unknown !== undefined) throw serverNotFound(unknown)
    const reach = narrowed(given, selection.reach)
    // What is reached for some of its tools has no list of another kind to be asked for.
    const isAsked = ({ id }: ManagedServer) => reaches(reach, id) && (kind === 'tools' || !reach.tools?.has(id))
    const servers = selection.servers.filter(isAsked)
    const named = handles !== undefined && servers.length === 1 ? servers[0] : undefined
    const waitMs = named === undefined ? patienceMs : undefined
    const onlyServer = only ? (named ?? soleServer(caller, reach)) : undefined
    const rules = permitRules(options)
    const listings = await catalog.list({ servers, caller, kind, waitMs, onlyServer })
    const target = listMethods[kind].target
    const naming = await names.namer({
      caller,
      kind: target,
      onlyServer,
      includes: permittedTo(caller, given),
      reach: given,
    })
    const offer = (some: typeof listings) =>
      offerTo({ kind, principal, reach, listings: some, nameOf: naming.nameOf, ...rules })
    const basis = () => offerBasis({ kind, listings, principal, reaches: [given, reach], naming, ...rules })
    return {
      listings,
      gone: kind === 'tools' ? (reach.gone ?? []) : [],
      offer,
      all: () => memory.of(basis(), () => offer(listings)),
    }
  }
}

type LookingOptions = Pick<GatewayOptions, 'registry' | 'catalog' | 'names' | 'toolsets'>

function permitRules({ names, toolsets }: Pick<GatewayOptions, 'names' | 'toolsets'>): PermitRules {
  return { separator: names.rules.separator, toolsets }
}

/** What names may mean, in lists and in calls alike. */
function permitting({ toolsets }: Pick<GatewayOptions, 'toolsets'>) {
  return ({ principal }: Caller, reach: Reach | undefined) =>
    (server: ManagedServer): boolean =>
      reaches(reach, server.id) && permitsServer(principal, server, toolsets)
}

function soleServerOf(options: Pick<GatewayOptions, 'registry' | 'toolsets'>) {
  return (caller: Caller, reach: Reach | undefined): ManagedServer | undefined => {
    const server = reach?.sole === undefined ? undefined : options.registry.find(reach.sole)
    return server !== undefined && permitting(options)(caller, reach)(server) ? server : undefined
  }
}
