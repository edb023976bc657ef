import { createCredentialSource, type ExplainedCredentialSource } from '@toolgate/auth'
import type { Recorder } from '@toolgate/core'
import {
  type Catalog,
  createCatalog,
  createCircuits,
  createGateway,
  createHealth,
  createNameMap,
  createPool,
  createPostgresPost,
  createPostgresListStore,
  createPreview,
  createRegistry,
  createRounds,
  createSessionUpstreams,
  createSubscriptionGaps,
  type Gateway,
  type Health,
  type NamingRules,
  outdatedBy,
  type SessionNews,
  type Sessions,
  type Subscriptions,
} from '@toolgate/manager'
import { guardCalls, limitCalls } from '@toolgate/policies'
import type { Rings } from './policies.ts'
import { reportServers } from './health.ts'
import { composeSessions } from './sessions.ts'
import { composeServers, type ServersPart } from './servers.ts'
import { composeToolsets, tellOfToolsets, type ToolsetsPart } from './toolsets.ts'
import { composeTrust, type TrustPart } from './trust.ts'
import { connectUrl, setupUrl } from './user-tokens.ts'
import type { Foundation } from '../foundation.ts'
import { logHealth } from '../health-log.ts'
import { liveServers } from '../reload/live-servers.ts'
import type { LiveServers } from '../reload/reload.ts'

/** The spine and what it goes by. */
export interface Manager extends Omit<ServersPart, 'close' | 'startServers' | 'useServers'>, TrustPart, ToolsetsPart {
  readonly gateway: Gateway
  readonly health: Health
  readonly catalog: Catalog
  readonly sessions: Sessions
  readonly subscriptions: Subscriptions
  readonly servers: LiveServers
  readonly credentials: Pick<ExplainedCredentialSource, 'plan'>
  /** Ends what is read, followed and open. */
  closeManager(): Promise<void>
}

/** Resolves when the registry holds the servers of the file and the stored ones. */
export async function composeManager(foundation: Foundation, record: Recorder, rings: Rings): Promise<Manager> {
  const { live, log, clock, newId } = foundation
  const toolsetsPart = composeToolsets(foundation)
  const { toolsets } = toolsetsPart
  const { sessions, subscriptions, news } = composeSessions(foundation, {
    toolsets,
    onEnd: ({ id }) => upstreams.pool.retireSession(id),
    onLogLevel: (session) => void atUpstreams.logLevelChanged(session),
    onRoots: (session) => void atUpstreams.rootsChanged(session),
  })
  const upstreams = composeUpstreams(foundation, news)
  const { pool, circuits, registry, credentials, catalog, trust } = upstreams
  const atUpstreams = createSessionUpstreams({ pool, clock, log })
  tellOfToolsets(toolsets, { registry, news })
  await sessions.start()
  const health = createHealth({ catalog, circuits, clock })
  logHealth(log, health)
  reportServers(foundation.metrics, { registry, health, catalog })
  const names = createNameMap({ registry, catalog, toolsets, rules: () => namingRules(live) })
  const gaps = createSubscriptionGaps({ news })
  const { database } = foundation
  // Nobody shares an embedded database.
  const post = database.kind === 'postgres' ? createPostgresPost(database, { log, newId }) : undefined
  const rounds = createRounds({ seal: foundation.sealer, clock, newId, record, log, post })
  await rounds.start()
  const policies = [limitCalls(rings.limiting), guardCalls(rings.guarding)]
  const gateway = createGateway({ ...upstreams, names, toolsets, record, rounds, gaps, policies, clock, newId })
  const preview = createPreview({ pool, circuits, credentials, clock })
  const { startServers, useServers, close, ...serversPart } = composeServers(foundation, {
    registry,
    catalog,
    preview,
    children: foundation.serverOptions.transportOptions.children,
  })
  await startServers()
  await trust.toolTrust.start()
  await toolsets.start()
  return {
    gateway,
    ...trust,
    credentials,
    ...toolsetsPart,
    health,
    catalog,
    registry,
    sessions,
    subscriptions,
    servers: liveServers({ registry, use: useServers }),
    ...serversPart,
    async closeManager() {
      news.close()
      await catalog.close()
      await trust.toolTrust.close()
      await toolsets.close()
      await sessions.close()
      await rounds.close()
      await pool.close()
      await close()
    },
  }
}

function namingRules(live: Foundation['live']): NamingRules {
  const { environment, config } = live.current
  return { separator: environment.toolPrefixSeparator, mode: config.toolPrefix }
}

/** What there is behind the gateway, and what is kept of it. */
function composeUpstreams(foundation: Foundation, news: SessionNews) {
  const { database, log, clock, newId } = foundation
  const pool = createPool({
    clock,
    log,
    newId,
    isCurrent: ({ id, revision }) => registry.find(id)?.revision === revision,
    onUnsolicited(server, notification, whose) {
      for (const kind of outdatedBy(notification.method)) catalog.invalidate(server.id, kind)
      news.heard(server, notification, whose)
    },
  })
  const circuits = createCircuits({ clock })
  const registry = createRegistry({
    onRetire(serverId, currentRevision) {
      pool.retire(serverId, currentRevision)
      circuits.retire(serverId, currentRevision)
    },
    onRemove: news.gone,
    onReplace: () => catalog.expectChange(),
  })
  const credentials = createCredentialSource({
    prefixes: registry.handles,
    log,
    connectUrl: ({ prefix }) => connectUrl(foundation, prefix),
    setupUrl: ({ id }, what) => setupUrl(foundation, id, what),
  })
  const store = createPostgresListStore(database.db)
  const trust = composeTrust(foundation)
  const catalog = createCatalog({ registry, pool, circuits, credentials, clock, log, store, trust: trust.toolTrust })
  catalog.watchChanges(news.listChanged)
  trust.toolTrust.watch((serverId) => {
    const server = registry.find(serverId)
    if (server !== undefined) news.listChanged(server, 'tools')
  })
  return { pool, circuits, registry, credentials, catalog, trust }
}
