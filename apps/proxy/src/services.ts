import {
  type Authenticate,
  type AuthorizationServer,
  type ExplainedCredentialSource,
  followSealingKey,
  type HeaderNames,
  type KeyPrincipals,
  type Sealer,
  type VirtualKeys,
  type WithoutOwnKeys,
} from '@toolgate/auth'
import {
  type Clock,
  createOutbound,
  type Logger,
  type NewId,
  randomId,
  type Recorder,
  type ResolveName,
  type Secret,
  systemClock,
} from '@toolgate/core'
import type { Database } from '@toolgate/db'
import type {
  Approvals,
  Models,
  RecordStore,
  StoredResponses,
  ToolFilter,
  ToolResults,
  TurnRecords,
} from '@toolgate/llm'
import {
  type Catalog,
  createChildProcesses,
  type Gateway,
  type Health,
  type Sessions,
  type Subscriptions,
} from '@toolgate/manager'
import {
  createLedger,
  createPostgresLedgerStore,
  createRecorder,
  type GuardrailSet,
  type KeySpend,
  type Ledger,
} from '@toolgate/policies'
import { composePolicies } from './composition/policies.ts'
import { composeHealth, type HealthServices } from './composition/health.ts'
import { composeIdentity } from './composition/identity.ts'
import { composeManager } from './composition/manager.ts'
import { composeModels } from './composition/models.ts'
import type { ToolsetsPart } from './composition/toolsets.ts'
import type { TrustPart } from './composition/trust.ts'
import { composeToolFilter } from './composition/tool-filter.ts'
import { composeUserTokenMemory, composeUserTokens } from './composition/user-tokens.ts'
import type { Environment } from './config/env.ts'
import type { LoadedConfig } from './config/load.ts'
import type { Foundation } from './foundation.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { createLiveGuard } from './live-guard.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { type ClientAddress, createClientAddress } from './client-address.ts'
import { createPublicAddress, type PublicAddress } from './public-address.ts'
import { createLiveConfig, type LiveConfig } from './reload/live-config.ts'
import { createReload, type Reload } from './reload/reload.ts'
import type { HoldsOwnKey } from './routes/mcp/program.ts'
import type { ConnectServices } from './routes/oauth/connect.ts'
import { serverOptions } from './server-options.ts'
import type { ServerSet } from './server-set.ts'
import type { ServerAdmin } from './stored-servers/admin.ts'
import type { ServerPreview } from './stored-servers/preview.ts'
import { createStandingCallers, type StandingCallers } from './standing-callers.ts'

/**
 * THE COMPOSITION ROOT: every service is made here, in dependency order, and joined to the others by nothing but
 * parameters. What holds state or a timer is made here and ended by `close`.
 */
export interface Services extends HealthServices, TrustPart, ToolsetsPart {
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
  readonly lifecycle: Lifecycle
  readonly standing: StandingCallers
  readonly metrics: Metrics
  readonly authenticate: Authenticate
  readonly withoutOwnKeys: WithoutOwnKeys
  readonly headerNames: () => HeaderNames
  readonly holdsOwnKey: HoldsOwnKey
  readonly authorizationServer: AuthorizationServer
  readonly publicAddress: PublicAddress
  readonly clientAddress: ClientAddress
  /** What is under way of users that connect accounts at servers. */
  readonly connecting: ConnectServices['connecting']
  readonly keys: VirtualKeys
  readonly keyPrincipals: KeyPrincipals
  readonly gateway: Gateway
  readonly credentials: Pick<ExplainedCredentialSource, 'plan'>
  readonly health: Health
  readonly catalog: Catalog
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly serverSet: ServerSet
  readonly serverAdmin: ServerAdmin
  readonly serverPreview: ServerPreview
  readonly models: Models
  readonly turnRecords: TurnRecords
  readonly approvals: Approvals
  readonly records: RecordStore
  readonly toolResults: ToolResults
  readonly storedResponses: StoredResponses
  readonly toolFilter: ToolFilter
  readonly guardrails: GuardrailSet
  /** `/metrics` is open to everyone. */
  readonly publicMetrics: () => boolean
  /** The configuration in force. */
  readonly live: Pick<LiveConfig, 'current'>
  readonly reload: Reload
  readonly pingStore: (signal: AbortSignal) => Promise<void>
  /** Ends upstream connections, writes what is left of the ledger, closes the store. Once, however often it is asked. */
  close(): Promise<void>
}

export interface ServicesOptions {
  readonly loaded: LoadedConfig
  /** Reads and checks the configuration again, for a reload. Throws `CONFIGURATION_INVALID`. */
  readonly readAgain: () => LoadedConfig
  readonly masterKey: Secret
  /** Seals what is stored and must not be read there. */
  readonly sealer: Sealer
  /** Migrated. Closed with the services. */
  readonly database: Database
  readonly log: Logger
  /** Told when a reload changed it. */
  readonly setLogLevel?: (level: Environment['logLevel']) => void
  readonly clock?: Clock
  readonly newId?: NewId
  /** What names stand for that are not the operator's. */
  readonly resolveName?: ResolveName
}

/** Resolves when keys and registry are loaded and every server has been asked for its tools once, or had its time. */
export async function createServices(options: ServicesOptions): Promise<Services> {
  const foundation = layFoundation(options)
  const { clock, newId, log, metrics, outbound, guardedOutbound, live, database } = foundation
  const lifecycle = createLifecycle(clock)
  const stopFollowing = await followStore(foundation)
  const standing = createStandingCallers(clock)
  const { keyCache, replaceKeys, closeIdentity, ...identity } = await composeIdentity(foundation)
  const policies = composePolicies(foundation)
  const { ledger, record } = composeRecord(foundation, policies.limiting.spend)
  const { servers, closeManager, ...manager } = await composeManager(foundation, record, policies)
  const { liveModels, ...llm } = composeModels(foundation, record, policies)
  await manager.catalog.start()

  const toolFilter = composeToolFilter(foundation, llm.models)

  const closeAll = async () => {
    standing.close()
    toolFilter.close()
    await stopFollowing()
    await closeManager()
    // After everything that records, before the store it writes to.
    await Promise.all([ledger.close(), policies.limiting.spend.close()])
    await closeIdentity()
    await Promise.all([outbound.close(), guardedOutbound.close()])
    await database.close()
  }
  let closed: Promise<void> | undefined

  return {
    clock,
    log,
    newId,
    metrics,
    lifecycle,
    standing,
    ...identity,
    ...manager,
    ...llm,
    toolFilter,
    guardrails: policies.guarding.set,
    publicAddress: createPublicAddress(live),
    clientAddress: createClientAddress(live),
    ...composeHealth(foundation, { keyCache, models: llm.models }),
    publicMetrics: () => live.current.config.publicMetrics,
    live,
    reload: createReload({
      live,
      lifecycle,
      log,
      servers,
      models: liveModels,
      replaceKeys,
      read: options.readAgain,
      settingsChanged: ({ environment }) => options.setLogLevel?.(environment.logLevel),
    }),
    pingStore: (signal) => database.ping(signal),
    close: () => (closed ??= closeAll()),
  }
}

/** What every part reads from memory, and others may change. Resolves with the end of it. */
async function followStore(foundation: Foundation): Promise<() => Promise<void>> {
  const { userTokenMemory } = foundation
  const stopSealing = await followSealingKey(foundation)
  await userTokenMemory.start()
  return async () => {
    await stopSealing()
    await userTokenMemory.close()
  }
}

function layFoundation(options: ServicesOptions): Foundation {
  const { clock = systemClock, newId = randomId, loaded, log } = options
  const outbound = createOutbound()
  const liveGuard = createLiveGuard()
  const guardedOutbound = createOutbound({ guard: liveGuard.guard, resolveName: options.resolveName })
  const children = createChildProcesses({ log })
  const userTokenMemory = composeUserTokenMemory({ ...options, clock, newId })
  return {
    ...options,
    userTokenMemory,
    live: createLiveConfig(loaded),
    clock,
    newId,
    metrics: createMetrics(),
    outbound,
    guardedOutbound,
    liveGuard,
    serverOptions: serverOptions({
      loaded,
      outbound,
      guardedOutbound,
      clock,
      log,
      children,
      userTokens: composeUserTokens({ ...options, outbound, guardedOutbound, clock, newId, userTokenMemory }),
    }),
  }
}

function composeRecord(
  { database, log, clock, metrics }: Foundation,
  keySpend: Pick<KeySpend, 'add'>,
): { ledger: Ledger; record: Recorder } {
  const ledger = createLedger({ store: createPostgresLedgerStore(database), log, clock })
  metrics.watchDroppedRows(() => ledger.dropped)
  const record = createRecorder({
    append: ledger.append,
    log,
    clock,
    // Names from the configuration only: a label that callers could choose would make series without end.
    onRecorded({ kind, serverName, provider, outcome, durationMs, keyHash, spend }) {
      metrics.observeCall({ kind, server: serverName ?? provider ?? '', outcome, seconds: durationMs / 1000 })
      if (typeof spend === 'number') keySpend.add(keyHash, spend)
    },
  })
  return { ledger, record }
}
