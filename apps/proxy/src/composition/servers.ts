import { type DeclaredServers, keptIdentities } from '@toolgate/auth'
import {
  type Catalog,
  createPostgresStoredServers,
  type Preview,
  type Registry,
  type TransportOptions,
} from '@toolgate/manager'
import type { LoadedConfig } from '../config/load.ts'
import { toServerDefinitions } from '../config/servers.ts'
import { composeOrphanedAccounts, composeUserTokens } from './user-tokens.ts'
import type { Foundation } from '../foundation.ts'
import { serverOptions } from '../server-options.ts'
import { type ConfigServers, createServerSet, type ServerSet } from '../server-set.ts'
import { createServerAdmin, type ServerAdmin } from '../stored-servers/admin.ts'
import { createBuildStored } from '../stored-servers/build-stored.ts'
import { createServerPreview, type ServerPreview } from '../stored-servers/preview.ts'

/** The servers of the file and the stored ones, and the way to manage the latter. */
export interface ServersPart {
  readonly serverSet: ServerSet
  readonly serverAdmin: ServerAdmin
  readonly serverPreview: ServerPreview
  /** As `ServerSet.start`; from then on it is known what users have at servers that are gone. */
  startServers(): Promise<void>
  /** Puts the servers of a configuration in force, as `ServerSet.useConfig`. */
  useServers(loaded: LoadedConfig): readonly string[]
  close(): Promise<void>
}

export interface ServersPartOptions {
  readonly registry: Registry
  readonly catalog: Pick<Catalog, 'forget'>
  readonly preview: Preview
  readonly children: TransportOptions['children']
}

/**
 * Stored servers go out through a guarded way of their own, also for their tokens: whoever may add a server must not reach
 * what only the operator's network is trusted with.
 */
export function composeServers(foundation: Foundation, parts: ServersPartOptions): ServersPart {
  const { loaded, sealer, database, clock, log, newId, guardedOutbound } = foundation
  const { registry, catalog, preview, children } = parts
  const { guard, allow } = foundation.liveGuard
  const store = createPostgresStoredServers(database, newId)
  const ways = { outbound: guardedOutbound, guardedOutbound }
  const userTokens = composeUserTokens({ ...foundation, ...ways })
  const servers = serverOptions({ loaded, ...ways, clock, log, children, userTokens })
  const serverSet = createServerSet({
    registry,
    store,
    feed: database,
    seal: sealer,
    build: createBuildStored({ servers, guard }),
    fromConfig: (config) => fromConfig(config, foundation),
    loaded,
    onConfig({ config }) {
      // A socket that is open would go on reaching what may no longer be dialled.
      if (allow(config.allowedPrivateNetworks)) guardedOutbound.reconnect()
    },
    clock,
    log,
  })
  const accounts = composeOrphanedAccounts(foundation, () => declaredServers(serverSet, registry))
  const serverAdmin = createServerAdmin({ store, servers: serverSet, seal: sealer, forget: catalog.forget, newId, log })
  return {
    serverSet,
    serverAdmin,
    serverPreview: createServerPreview({ draft: serverAdmin.draft, preview, clock }),
    async startServers() {
      await serverSet.start()
      accounts.start()
    },
    useServers(config) {
      const problems = serverSet.useConfig(config)
      accounts.look()
      return problems
    },
    async close() {
      await accounts.close()
      await serverSet.close()
    },
  }
}

/** One that is not in use has accounts all the same, though nobody can say for which address and client. */
function declaredServers(serverSet: Pick<ServerSet, 'declared'>, registry: Pick<Registry, 'list'>): DeclaredServers {
  const inUse = new Map(registry.list().map((server) => [server.id, keptIdentities(server)]))
  return new Map([...serverSet.declared()].map(([id, name]) => [id, { name, identities: inUse.get(id) }]))
}

/** A server that cannot be used is set aside with its reason; the others load. */
function fromConfig(loaded: LoadedConfig, { log, serverOptions: plugs }: Foundation): ConfigServers {
  const { declared, problems, notices } = toServerDefinitions(loaded, loaded.environment, plugs)
  for (const notice of notices) {
    const line = { config: loaded.explain(notice) }
    if (notice.level === 'warning') log.warn(line, 'configuration warning')
    else log.info(line, 'configuration notice')
  }
  for (const problem of problems) log.error({ config: loaded.explain(problem) }, 'server left out')
  return { servers: declared, problems: problems.map(loaded.explain) }
}
