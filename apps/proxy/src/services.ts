import {
  type Authenticate,
  createAuthenticator,
  createClientCredentials,
  createCredentialSource,
  createKeyCache,
  createOwnKeyFilter,
  createPostgresKeyStore,
  createVirtualKeys,
  hashKey,
  type HeaderNames,
  type UpstreamAuthOptions,
  upstreamAuthMethods,
  upsertConfigKeys,
  type VirtualKeys,
  type WithoutOwnKeys,
} from '@toolgate/auth'
import {
  type Clock,
  createOutbound,
  type CredentialSource,
  type Logger,
  type NewId,
  type Outbound,
  randomId,
  type Recorder,
  type Secret,
  systemClock,
} from '@toolgate/core'
import type { Database } from '@toolgate/db'
import { createModels, createTurnRecords, type Models, toDeployment, type TurnRecords } from '@toolgate/llm'
import {
  type Catalog,
  createCatalog,
  createGateway,
  createHealth,
  createNameMap,
  createPool,
  createRegistry,
  type Gateway,
  type Health,
  outdatedBy,
  type Pool,
  type Registry,
  transports,
} from '@toolgate/manager'
import { createLedger, createPostgresLedgerStore, createRecorder, type Ledger } from '@toolgate/policies'
import type { LoadedConfig } from './config/load.ts'
import { bindModels } from './config/models.ts'
import { createDigest, type ServerOptions, toServerDefinitions } from './config/servers.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { version } from './version.ts'

/**
 * THE COMPOSITION ROOT: every service is made here, in dependency order, and joined to the others by nothing but
 * parameters. What holds state or a timer is made here and ended by `close`.
 */
export interface Services {
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
  readonly lifecycle: Lifecycle
  readonly metrics: Metrics
  readonly authenticate: Authenticate
  readonly withoutOwnKeys: WithoutOwnKeys
  readonly headerNames: HeaderNames
  readonly keys: VirtualKeys
  readonly gateway: Gateway
  readonly health: Health
  readonly models: Models
  readonly turnRecords: TurnRecords
  /** `/metrics` is open to everyone. */
  readonly publicMetrics: boolean
  readonly pingStore: (signal: AbortSignal) => Promise<void>
  /** Ends upstream connections, writes what is left of the ledger, closes the store. Once, however often it is asked. */
  close(): Promise<void>
}

export interface ServicesOptions {
  readonly loaded: LoadedConfig
  readonly masterKey: Secret
  /** Migrated. Closed with the services. */
  readonly database: Database
  readonly log: Logger
  readonly clock?: Clock
  readonly newId?: NewId
}

/** What every part below is given. */
interface Foundation {
  readonly loaded: LoadedConfig
  readonly masterKey: Secret
  readonly database: Database
  readonly log: Logger
  readonly clock: Clock
  readonly newId: NewId
  readonly outbound: Outbound
  readonly metrics: Metrics
  /** Made once: what a reload finds unchanged keeps its revision and its tokens. */
  readonly serverOptions: ServerOptions<UpstreamAuthOptions>
}

/** Resolves when keys and registry are loaded and every server has been asked for its tools once, or had its time. */
export async function createServices(options: ServicesOptions): Promise<Services> {
  const { clock = systemClock, newId = randomId, database, log } = options
  const metrics = createMetrics()
  const outbound = createOutbound()
  const foundation: Foundation = {
    ...options,
    clock,
    newId,
    metrics,
    outbound,
    serverOptions: serverOptions({ loaded: options.loaded, outbound, clock, log }),
  }
  const { keyCache, ...identity } = await composeIdentity(foundation)
  const { ledger, record } = composeRecord(foundation)
  const { catalog, pool, ...manager } = composeManager(foundation, record)
  const llm = composeModels(foundation, record)
  await catalog.start()

  const closeAll = async () => {
    catalog.close()
    await pool.close()
    // After everything that records, before the store it writes to.
    await ledger.close()
    await keyCache.close()
    await foundation.outbound.close()
    await database.close()
  }
  let closed: Promise<void> | undefined

  return {
    clock,
    log,
    newId,
    metrics,
    lifecycle: createLifecycle(clock),
    ...identity,
    ...manager,
    ...llm,
    publicMetrics: options.loaded.config.publicMetrics,
    pingStore: (signal) => database.ping(signal),
    close: () => (closed ??= closeAll()),
  }
}

/** Who calls: keys of the file into the store, the cache in front of it, and the ways to prove an identity. */
async function composeIdentity({ loaded, masterKey, database, log, clock, newId }: Foundation) {
  const { config } = loaded
  const store = createPostgresKeyStore(database, newId)
  await upsertConfigKeys(config.virtualKeys, { store, log, clock, newId })
  const keyCache = createKeyCache({ store, feed: database, log, clock })
  await keyCache.start()
  const headerNames: HeaderNames = {
    keyHeaderName: config.keyHeader,
    legacyAuthHeaderName: config.clientSideAuthHeader,
    neverForwarded: [masterKey],
  }
  return {
    keyCache,
    headerNames,
    keys: createVirtualKeys({ store, log, clock, newId, onChange: keyCache.forget }),
    withoutOwnKeys: createOwnKeyFilter({ keys: keyCache }),
    authenticate: createAuthenticator({ masterKey, keys: keyCache, defaultAccess: config.defaultAccess, clock }),
  }
}

function composeRecord({ database, log, clock, metrics }: Foundation): { ledger: Ledger; record: Recorder } {
  const ledger = createLedger({ store: createPostgresLedgerStore(database), log, clock })
  metrics.watchDroppedRows(() => ledger.dropped)
  const record = createRecorder({
    append: ledger.append,
    log,
    clock,
    // Names from the configuration only: a label that callers could choose would make series without end.
    onRecorded: ({ kind, serverName, provider, outcome, durationMs }) =>
      metrics.observeCall({ kind, server: serverName ?? provider ?? '', outcome, seconds: durationMs / 1000 }),
  })
  return { ledger, record }
}

interface Manager {
  readonly gateway: Gateway
  readonly health: Health
  readonly catalog: Catalog
  readonly pool: Pool
}

function composeManager(foundation: Foundation, record: Recorder): Manager {
  const { loaded, log, clock, newId } = foundation
  const pool = createPool({
    clock,
    log,
    newId,
    onUnsolicited(server, { method }) {
      for (const kind of outdatedBy(method)) catalog.invalidate(server.id, kind)
    },
  })
  const registry = createRegistry({ onRetire: pool.retire })
  const credentials: CredentialSource = createCredentialSource({ prefixes: registry.handles, log })
  const catalog = createCatalog({ registry, pool, credentials, clock })
  const rules = { separator: loaded.environment.toolPrefixSeparator, mode: loaded.config.toolPrefix }
  const names = createNameMap({ registry, catalog, rules })
  const gateway = createGateway({ registry, catalog, names, credentials, pool, record, policies: [], clock, newId })
  fillRegistry(registry, foundation)
  return { gateway, health: createHealth({ catalog }), catalog, pool }
}

/** A server that cannot be used is set aside with its reason; the others load. */
function fillRegistry(registry: Registry, foundation: Foundation): void {
  const { loaded, log, serverOptions: plugs } = foundation
  const { servers, problems, notices } = toServerDefinitions(loaded, loaded.environment, plugs)
  for (const notice of notices) {
    const line = { config: loaded.explain(notice) }
    if (notice.level === 'warning') log.warn(line, 'configuration warning')
    else log.info(line, 'configuration notice')
  }
  for (const problem of problems) log.error({ config: loaded.explain(problem) }, 'server left out')
  const named = loaded.config.servers.flatMap(({ name, common }) => [
    name,
    ...(common.alias === undefined ? [] : [common.alias]),
  ])
  registry.replace(servers, named)
  for (const { server, reason } of registry.quarantined()) log.error({ server: server.name, reason }, 'server left out')
}

interface ServerOptionsSource extends Pick<Foundation, 'outbound' | 'clock' | 'log'> {
  readonly loaded: Pick<LoadedConfig, 'environment'>
}

/** What turns entries of the file into servers; `config check` needs the same and nothing else. */
export function serverOptions({
  loaded,
  outbound,
  clock,
  log,
}: ServerOptionsSource): ServerOptions<UpstreamAuthOptions> {
  const { defaultTtlMs, minTtlMs, expiryBufferMs, maxEntries } = loaded.environment.tokenCache
  const tuning = { defaultTtlMs, minTtlMs, expiryBufferMs, maxTokens: maxEntries }
  const tokens = createClientCredentials({ outbound, clock, tuning })
  return {
    transports,
    authMethods: upstreamAuthMethods,
    transportOptions: { outbound, clock, log, clientInfo: { name: 'toolgate', version } },
    authOptions: (report) => ({ tokens, report }),
    hashKey,
    digest: createDigest(),
  }
}

function composeModels(foundation: Foundation, record: Recorder): { models: Models; turnRecords: TurnRecords } {
  const { loaded, outbound, log, clock, newId } = foundation
  const { models, problems, notices } = bindModels(loaded.config.models, bindModel(loaded))
  for (const notice of notices) log.warn({ config: loaded.explain(notice) }, 'configuration warning')
  for (const problem of problems) log.error({ config: loaded.explain(problem) }, 'model left out')
  const deployments = models.map((model) => model.create({ outbound, clock, newId }))
  return {
    models: createModels({ deployments: () => deployments, record, policies: [], clock, newId }),
    turnRecords: createTurnRecords({ clock }),
  }
}

/** What makes a deployment of an entry of the file; `config check` needs the same. */
export function bindModel({ environment: { lookup } }: Pick<LoadedConfig, 'environment'>) {
  return (definition: object) => toDeployment(definition, { lookup })
}
