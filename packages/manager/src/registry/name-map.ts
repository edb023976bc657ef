import { type Caller, GatewayError, type MaybePromise, type Target } from '@toolgate/core'
import { type Catalog, patienceMs } from '../catalog/catalog.ts'
import type { Listing } from '../catalog/listing.ts'
import type { Basis } from '../catalog/offer-memory.ts'
import { type Addressed, listsOf } from '../methods.ts'
import { permits } from '../permits.ts'
import { defaultNaming, type NamingRules } from '../public-name.ts'
import { type Reach, reachesTarget } from '../reach.ts'
import { noToolsets, type ToolsetLookup } from '../toolsets/toolset.ts'
import { refusingHeld } from './held-tools.ts'
import type { ManagedServer } from './managed-server.ts'
import {
  isListed,
  type NameView,
  displayReadings,
  namedReadings,
  prefixedNameOf,
  prefixReadings,
  publicNameOf,
  type Reading,
  readBare,
  readNamed,
  readWithin,
  wasListed,
} from './name-reading.ts'
import type { Registry } from './registry.ts'

/**
 * From public names to targets and back, within what one caller may use: a server it may not use can neither answer to a
 * name nor make one ambiguous. The way of nearly every call, a prefixed name, costs a look at memory.
 */
export interface NameMap {
  /** Those in force at this moment. */
  readonly rules: NamingRules
  /**
   * `undefined` where nothing bears the name. Rejects with `TARGET_AMBIGUOUS` listing names that are not, or the servers of
   * a URI, with `TOOL_HELD` where nothing but a tool that waits for its approval bears it, and, where the name is another of
   * the servers', with `TOOL_SERVER_MISMATCH`.
   */
  locate(request: LocateRequest): MaybePromise<Target<ManagedServer> | undefined>
  namer(request: NamerRequest): Promise<Naming>
}

export interface Naming {
  /** Names what a list shows; answers `undefined` for what no name would tell from something else. */
  nameOf(reading: Reading): string | undefined
  /** Those that were looked through. */
  readonly servers: readonly ManagedServer[]
  /** What names come from beside the request: as long as these are the same, the same request names alike. */
  readonly basis: Basis
}

export interface NamerRequest extends Pick<Addressed, 'kind'> {
  readonly caller: Caller
  /** Where the request names one server and no other: that one. */
  readonly onlyServer: ManagedServer | undefined
  /** The servers that names may mean. One set for lists and calls, or a name in a list would mean something else in a call. */
  readonly includes: (server: ManagedServer) => boolean
  /** Of these servers it may lead to a part only. Absent: to everything. */
  readonly reach?: Reach | undefined
}

export interface LocateRequest extends NamerRequest, Pick<Addressed, 'name'> {
  /** One that is included, and named by the request. */
  readonly server: ManagedServer | undefined
}

export interface NameMapOptions {
  readonly registry: Registry
  readonly catalog: Pick<Catalog, 'known' | 'peek' | 'list'>
  /** Asked anew for each request: a reload may change them. */
  readonly rules?: () => NamingRules
  /** Absent: there are none. */
  readonly toolsets?: ToolsetLookup
}

export function createNameMap(options: NameMapOptions): NameMap {
  const { registry, catalog, rules = () => defaultNaming } = options
  const view = viewing({ toolsets: noToolsets, ...options, rules })

  const fetch = fetching(catalog)
  const notHeld = refusingHeld({ registry, view, fetch })

  const locateAnywhere = async (request: LocateRequest): Promise<Located> => {
    const { includes, name } = request
    const included = () => registry.list().filter(includes)
    const frame = view.frame(request)
    // What a display name could be mistaken for may be on any server.
    const shown = displayReadings(frame, name).length > 0
    const near = await view.over(request, shown ? included() : serversIn(namedReadings(frame, name)))
    const named = readNamed(near, name)
    if (named.length > 0) return { readings: named, spell: (reading) => prefixedNameOf(near, reading) }

    const servers = included()
    const wide = await view.over(request, servers)
    const bare = readBare(wide, name)
    const unlisted = servers.filter((server) => !wasListed(wide, server))
    if (bare.length > 0 || unlisted.length === 0) {
      return { readings: bare, spell: (reading) => prefixedNameOf(wide, reading) }
    }
    const readAfter = async (waitMs: number | undefined): Promise<Located> => {
      await fetch(request, unlisted, waitMs)
      const complete = await view.over(request, servers)
      return { readings: readBare(complete, name), spell: (reading) => prefixedNameOf(complete, reading) }
    }
    // A name that one server has waits for no other that hangs; one that none is known to have waits for them all.
    const soon = await readAfter(patienceMs)
    return soon.readings.length > 0 ? soon : readAfter(undefined)
  }

  const locateWithin = locatingWithin({ view, fetch })

  const locateByReading = async (request: LocateRequest): Promise<Target<ManagedServer> | undefined> => {
    const { server, kind, name } = request
    const { readings, spell } = await (server ? locateWithin(request, server) : locateAnywhere(request))
    const [first, ...others] = readings
    if (others.length > 0) throw kind === 'resource' ? sharedUri(name, readings) : ambiguous(name, readings.map(spell))
    const target = kind === 'tool' ? await notHeld(request, first) : first
    return target && { kind, ...target }
  }

  return {
    get rules() {
      return rules()
    },
    locate(request) {
      const plain = plainly(catalog, request, view.frame(request))
      return plain === undefined ? locateByReading(request) : { kind: request.kind, ...plain }
    },
    async namer(request) {
      const seen = await view.over(request, registry.list().filter(request.includes))
      return { nameOf: (reading) => publicNameOf(seen, reading), servers: seen.servers, basis: basisOf(seen) }
    },
  }
}

/** What a name means in a request that says which server it is for. */
function locatingWithin({ view, fetch }: { view: ReturnType<typeof viewing>; fetch: ReturnType<typeof fetching> }) {
  return async (request: LocateRequest, server: ManagedServer): Promise<Located> => {
    const { name } = request
    const own = { server, name }
    const readings = namedReadings(view.frame(request), name)
    const servers = serversIn([own, ...readings])
    let seen = await view.over(request, servers)
    if (readings.length > 0 && !wasListed(seen, server)) {
      // Only its list tells whether the name is its own, and to wait for the server one calls is fair.
      await fetch(request, [server])
      seen = await view.over(request, servers)
    }
    const found = readWithin(seen, server, name)
    const foreign = readings.find((reading) => reading.server.id !== server.id && isListed(seen, reading))
    if (foreign !== undefined && !found.some((reading) => isListed(seen, reading))) {
      throw mismatch(request, foreign.server, server)
    }
    return { readings: found, spell: (reading) => reading.name }
  }
}

/** Waits for lists that were never read, and only for those. */
function fetching(catalog: Pick<Catalog, 'list'>) {
  return async (
    { caller, kind, onlyServer }: NamerRequest,
    servers: readonly ManagedServer[],
    waitMs?: number,
  ): Promise<void> => {
    await Promise.all(listsOf[kind].map((list) => catalog.list({ caller, kind: list, onlyServer, servers, waitMs })))
  }
}

/** Makes views: without the lists, for reading prefixes, or with those of some servers. */
function viewing({ registry, catalog, rules, toolsets }: Required<NameMapOptions>) {
  const frame = ({ caller, kind, includes, reach }: NamerRequest) => {
    const current = rules()
    const permitRules = { separator: current.separator, toolsets }
    return {
      rules: current,
      kind,
      prefixes: registry.prefixes(),
      displayed: registry.displayed(),
      allows: ({ server, name }: Reading) =>
        includes(server) &&
        reachesTarget(reach, { server, kind, name }) &&
        permits(caller.principal, { server, kind, name }, permitRules),
    }
  }
  return {
    frame,
    over: async (request: NamerRequest, servers: readonly ManagedServer[]): Promise<NameView> => ({
      ...frame(request),
      servers,
      listings: await knownListings(catalog, { ...request, servers }),
    }),
  }
}

function basisOf({ rules, prefixes, displayed, servers, listings }: NameView): Basis {
  return [rules.separator, rules.mode, prefixes, displayed, servers, [...listings.values()].flat()]
}

function serversIn(readings: readonly Reading[]): readonly ManagedServer[] {
  return [...new Set(readings.map(({ server }) => server))]
}

interface Located {
  readonly readings: readonly Reading[]
  /** A name that means this reading and no other. */
  spell(reading: Reading): string
}

/**
 * The way of nearly every call, from memory alone: of a server that the request names, what it lists under this very name is
 * meant, whatever else it could mean; else what is listed behind the one prefix that the name has.
 */
function plainly(
  catalog: Pick<Catalog, 'peek'>,
  request: LocateRequest,
  frame: ReturnType<ReturnType<typeof viewing>['frame']>,
): Reading | undefined {
  const { server, name } = request
  const own = server && { server, name }
  if (own !== undefined) return frame.allows(own) && lists(catalog, request, own) ? own : undefined
  if (displayReadings(frame, name).length > 0) return undefined
  const [reading, ...others] = prefixReadings(frame, name)
  if (reading === undefined || others.length > 0) return undefined
  return lists(catalog, request, reading) ? reading : undefined
}

/** Whether the server is known to list this very name to everybody, and nobody has to approve it first. */
function lists(
  catalog: Pick<Catalog, 'peek'>,
  { caller, kind, onlyServer }: LocateRequest,
  { server, name }: Reading,
): boolean {
  return listsOf[kind].some(
    (list) => catalog.peek(server, { caller, onlyServer, kind: list })?.byName.has(name) === true,
  )
}

async function knownListings(
  catalog: Pick<Catalog, 'known'>,
  { caller, kind, onlyServer, servers }: NamerRequest & { servers: readonly ManagedServer[] },
): Promise<ReadonlyMap<string, readonly Listing[]>> {
  const request = { caller, onlyServer, servers }
  const lists = await Promise.all(listsOf[kind].map((list) => catalog.known({ ...request, kind: list })))
  return new Map(servers.map(({ id }) => [id, lists.flatMap((list) => list.get(id) ?? [])]))
}

function ambiguous(name: string, candidates: readonly string[]): GatewayError {
  return new GatewayError(
    'TARGET_AMBIGUOUS',
    `"${name}" means more than one thing. Use one of: ${candidates.join(', ')}`,
    {
      details: { candidates },
    },
  )
}

/** No other name tells the readings of a URI apart; a request that names the server does. */
function sharedUri(uri: string, readings: readonly Reading[]): GatewayError {
  const servers = readings.map(({ server }) => server.name)
  return new GatewayError(
    'TARGET_AMBIGUOUS',
    `"${uri}" is a resource of more than one server. Name one of them in the request: ${servers.join(', ')}`,
    { details: { servers } },
  )
}

function mismatch({ kind, name }: LocateRequest, owner: ManagedServer, asked: ManagedServer): GatewayError {
  const noun = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`
  return new GatewayError(
    'TOOL_SERVER_MISMATCH',
    `${noun} '${name}' belongs to MCP server '${owner.name}' but request specified server_id for '${asked.name}'.`,
    { details: { server: owner.name } },
  )
}
