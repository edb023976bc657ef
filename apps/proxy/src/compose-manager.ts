import { createCredentialSource } from '@toolgate/auth'
import type { CredentialSource, Recorder } from '@toolgate/core'
import {
  type Catalog,
  createCatalog,
  createCircuits,
  createGateway,
  createHealth,
  createNameMap,
  createPool,
  createPostgresListStore,
  createPreview,
  createRegistry,
  type Gateway,
  type Health,
  type NamingRules,
  outdatedBy,
} from '@toolgate/manager'
import { reportServers } from './compose-health.ts'
import { composeServers, type ServersPart } from './compose-servers.ts'
import type { Foundation } from './foundation.ts'
import { logHealth } from './health-log.ts'
import { liveServers } from './reload/live-servers.ts'
import type { LiveServers } from './reload/reload.ts'

/** The spine and what it goes by. */
export interface Manager extends Omit<ServersPart, 'close'> {
  readonly gateway: Gateway
  readonly health: Health
  readonly catalog: Catalog
  readonly servers: LiveServers
  /** Ends what is read, followed and open. */
  closeManager(): Promise<void>
}

/** Resolves when the registry holds the servers of the file and the stored ones. */
export async function composeManager(foundation: Foundation, record: Recorder): Promise<Manager> {
  const { live, database, log, clock, newId } = foundation
  const pool = createPool({
    clock,
    log,
    newId,
    isCurrent: ({ id, revision }) => registry.find(id)?.revision === revision,
    onUnsolicited(server, { method }) {
      for (const kind of outdatedBy(method)) catalog.invalidate(server.id, kind)
    },
  })
  const circuits = createCircuits({ clock })
  const registry = createRegistry({
    onRetire(serverId, currentRevision) {
      pool.retire(serverId, currentRevision)
      circuits.retire(serverId, currentRevision)
    },
    onReplace: () => catalog.expectChange(),
  })
  const credentials: CredentialSource = createCredentialSource({ prefixes: registry.handles, log })
  const store = createPostgresListStore(database.db)
  const catalog = createCatalog({ registry, pool, circuits, credentials, clock, log, store })
  const health = createHealth({ catalog, circuits, clock })
  logHealth(log, health)
  reportServers(foundation.metrics, { registry, health, catalog })
  const rules = (): NamingRules => {
    const { environment, config } = live.current
    return { separator: environment.toolPrefixSeparator, mode: config.toolPrefix }
  }
  const names = createNameMap({ registry, catalog, rules })
  const gateway = createGateway({
    registry,
    catalog,
    names,
    credentials,
    pool,
    circuits,
    record,
    policies: [],
    clock,
    newId,
  })
  const preview = createPreview({ pool, circuits, credentials, clock })
  const { children } = foundation.serverOptions.transportOptions
  const { close, ...serversPart } = composeServers(foundation, { registry, catalog, preview, children })
  await serversPart.serverSet.start()
  return {
    gateway,
    health,
    catalog,
    servers: liveServers({ registry, use: (config) => serversPart.serverSet.useConfig(config) }),
    ...serversPart,
    async closeManager() {
      await catalog.close()
      await pool.close()
      await close()
    },
  }
}
