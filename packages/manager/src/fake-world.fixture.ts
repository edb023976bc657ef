import {
  type AuthorizedCall,
  type Caller,
  type Credential,
  type CredentialSource,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type Layer,
  type Logger,
  type Recorder,
  Secret,
  type ServerDefinition,
  sharedScope,
  silentLogger,
  type TracedCall,
} from '@toolgate/core'
import { type FakeClock, fakeClock } from '@toolgate/testing/fake-clock'
import { serverDefinition } from '@toolgate/testing/server-definition'
import { type Catalog, createCatalog, type ListKind, type NamingRules } from './index.ts'
import type { ListStore } from './catalog/list-store.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { listMethods } from './methods.ts'
import type { ManagedServer } from './registry/managed-server.ts'
import { createNameMap } from './registry/name-map.ts'
import { createRegistry, type Registry } from './registry/registry.ts'
import { noToolsets } from './toolsets/toolset.ts'
import { createRounds } from './rounds/rounds.ts'
import type { Seal } from './rounds/call-states.ts'
import { type Circuits, createCircuits } from './upstream/circuit.ts'
import type { UpstreamRequest } from './upstream/connection.ts'
import type { AcquireRequest, Lease, Pool } from './upstream/pool.ts'

/** A whole gateway over upstreams that are functions: for tests of the spine, the catalog and the names. */

export function serverOf(overrides: Partial<ManagedServer> & { readonly id: string }): ManagedServer {
  const server = serverDefinition(overrides)
  const connect = () => Promise.reject(new Error('the fake pool connects'))
  const transport = {
    type: server.transportType,
    address: server.address,
    sharing: 'always',
    sendsHeaders: true,
    connect,
  } as const
  return { ...server, transport, ...overrides }
}

/** Seals nothing, and opens for the right subject alone. */
const plainSeal: Seal = {
  seal: async (text, subject) => `${subject} ${text.reveal()}`,
  async open(sealed, subject) {
    if (!sealed.startsWith(`${subject} `)) throw new GatewayError('INTERNAL', 'It was sealed for something else.')
    return new Secret(sealed.slice(subject.length + 1))
  },
}

export function toolsNamed(...names: readonly string[]): JsonObject[] {
  return names.map((name) => ({ name, inputSchema: { type: 'object' } }))
}

/** What one server does. */
export interface FakeUpstream {
  /** What it lists, on one page. */
  readonly lists?: Partial<Record<ListKind, JsonObject[]>>
  readonly capabilities?: JsonObject
  readonly protocolVersion?: string
  /** Answers a request in place of the default; `undefined` leaves it to that. */
  answer?(request: UpstreamRequest, borrowed: AcquireRequest): Promise<JsonObject> | undefined
}

export interface Sent extends UpstreamRequest {
  readonly serverId: string
}

export interface FakePool extends Pool {
  readonly acquired: readonly AcquireRequest[]
  readonly sent: readonly Sent[]
  readonly discarded: number
  readonly leased: number
}

export function fakePool(upstreams: Readonly<Record<string, FakeUpstream>>): FakePool {
  const acquired: AcquireRequest[] = []
  const sent: Sent[] = []
  let discarded = 0
  let leased = 0

  const lend = (borrowed: AcquireRequest): Lease => {
    const { id } = borrowed.server
    const upstream = upstreams[id]
    if (upstream === undefined) throw new GatewayError('UPSTREAM_UNREACHABLE', `MCP server "${id}" is not reachable.`)
    leased += 1
    const everything = { tools: {}, prompts: {}, resources: {} }
    const handshake = {
      protocolVersion: upstream.protocolVersion ?? '2025-11-25',
      capabilities: upstream.capabilities ?? everything,
      serverInfo: { name: id },
      instructions: undefined,
    }
    return {
      connection: {
        handshake,
        sessionful: false,
        open: true,
        close: async () => {},
        notify: async () => {},
        async request(request) {
          sent.push({ ...request, serverId: id })
          return (await upstream.answer?.(request, borrowed)) ?? defaultAnswer(id, upstream, request)
        },
      },
      exclusive: false,
      toldLevel: {},
      headers: () => new Map(),
      discard: () => void (discarded += 1),
      [Symbol.dispose]: () => void (leased -= 1),
    }
  }

  return {
    acquired,
    sent,
    get discarded() {
      return discarded
    },
    get leased() {
      return leased
    },
    async acquire(request) {
      acquired.push(request)
      return lend(request)
    },
    retire: () => {},
    retireSession: () => {},
    ofSession: () => [],
    size: 0,
    close: async () => {},
  }
}

/** `server/name`, of the call that the default answer answers. */
export function targetOf({ server, params }: JsonObject): string {
  const name = isJsonObject(params) ? params['name'] : undefined
  return [server, name].filter((part) => typeof part === 'string').join('/')
}

function defaultAnswer(id: string, { lists }: FakeUpstream, { method, params }: UpstreamRequest): JsonObject {
  const kinds: readonly ListKind[] = ['tools', 'prompts', 'resources', 'resourceTemplates']
  const kind = kinds.find((candidate) => listMethods[candidate].method === method)
  return kind === undefined ? { server: id, method, params } : { [kind]: lists?.[kind] ?? [] }
}

export function credentialOf(overrides: Partial<Credential> = {}): Credential {
  return { type: 'none', scope: sharedScope, headers: () => new Map(), rejected: () => false, ...overrides }
}

async function discoveryCredential({ auth, discoveryAuth, name }: ServerDefinition): Promise<Credential> {
  if (!(discoveryAuth ?? auth).needsUserToken) return credentialOf()
  throw new GatewayError('UPSTREAM_SIGN_IN_REQUIRED', `Server "${name}" needs a credential of your own.`)
}

export function bearerOf(token: string, overrides: Partial<Credential> = {}): Credential {
  return credentialOf({
    type: 'bearer_token',
    headers: () => new Map([['authorization', new Secret(`Bearer ${token}`)]]),
    ...overrides,
  })
}

export interface WorldOptions {
  readonly servers: readonly ManagedServer[]
  readonly upstreams?: Readonly<Record<string, FakeUpstream>>
  readonly credentials?: Partial<CredentialSource>
  readonly policies?: readonly Layer<AuthorizedCall, JsonObject>[]
  readonly rules?: NamingRules
  readonly clock?: FakeClock
  readonly store?: ListStore
  readonly log?: Logger
}

export interface World {
  readonly gateway: Gateway
  readonly catalog: Catalog
  readonly registry: Registry
  readonly pool: FakePool
  readonly circuits: Circuits
  readonly clock: FakeClock
  /** What was recorded, in order. */
  readonly records: readonly TracedCall[]
  /** Calls and lists of tools as a door makes them. */
  call(caller: Caller, name: string, options?: { server?: string; arguments?: JsonObject }): Promise<JsonObject>
  toolNames(caller: Caller): Promise<string[]>
}

export function worldOf(options: WorldOptions): World {
  const { servers, upstreams = {}, policies = [], rules, clock = fakeClock(), store, log = silentLogger } = options
  const credentials = {
    forCaller: async () => credentialOf(),
    forDiscovery: discoveryCredential,
    ...options.credentials,
  }
  const registry = createRegistry()
  registry.replace(servers)
  const pool = fakePool(upstreams)
  const circuits = createCircuits({ clock })
  const catalog = createCatalog({ registry, pool, circuits, credentials, clock, store, log, random: () => 0.5 })
  const names = createNameMap(rules === undefined ? { registry, catalog } : { registry, catalog, rules: () => rules })
  const records: TracedCall[] = []
  let lastId = 0
  const newId = (prefix: string) => `${prefix}_${(lastId += 1)}`
  const record: Recorder = (call, run) => {
    records.push(call)
    return run()
  }
  const gateway = createGateway({
    registry,
    catalog,
    names,
    toolsets: noToolsets,
    credentials,
    pool,
    circuits,
    policies,
    clock,
    record,
    rounds: createRounds({ seal: plainSeal, clock, newId, record, log: silentLogger }),
    newId,
  })
  return {
    gateway,
    catalog,
    registry,
    pool,
    circuits,
    clock,
    records,
    call(caller, name, { server, arguments: given = {} } = {}) {
      return gateway.send(caller, { server, method: 'tools/call', params: { name, arguments: given } })
    },
    async toolNames(caller) {
      const { items } = await gateway.list(caller, { kind: 'tools' })
      return items.map(({ publicName }) => publicName)
    },
  }
}
