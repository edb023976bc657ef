export {
  type Catalog,
  type CatalogOptions,
  type CatalogRequest,
  type CatalogTiming,
  createCatalog,
  defaultCatalogTiming,
  type RefreshedList,
  type ServerListing,
} from './catalog/catalog.ts'
export type { Attempt } from './catalog/prober.ts'
export type { EntryBounds } from './catalog/entries.ts'
export { createPostgresListStore } from './catalog/list-store.postgres.ts'
export type { ListStore, ListVersion } from './catalog/list-store.ts'
export { createPreview, type Preview } from './catalog/preview.ts'
export type { ListedItem, NamedItem, Offer, WithheldItem, WithheldStatus } from './catalog/offer.ts'
export {
  createGateway,
  type Gateway,
  type GatewayOptions,
  type Introduction,
  type ListRequest,
  type SendRequest,
} from './gateway.ts'
export { createHealth, type Health, type HealthOptions, type ServerHealth } from './health.ts'
export type { HealthChange, HealthRecord } from './health-history.ts'
export type { HealthStatus } from './health-status.ts'
export { type ListKind, listKinds, listMethods, outdatedBy } from './methods.ts'
export { permits, type PermitRules, permitsServer, type Rule, ruleFor } from './permits.ts'
export type { Reach } from './reach.ts'
export { defaultNaming, joinName, type NamingRules, type PrefixMode } from './public-name.ts'
export { type DeclaredServer, isLeftOut, type LeftOutServer, type ManagedServer } from './registry/managed-server.ts'
export { createNameMap, type NameMap, type NameMapOptions } from './registry/name-map.ts'
export { createRegistry, type Quarantined, type Registry, type RegistryOptions } from './registry/registry.ts'
export { withShortPrefixes } from './registry/short-prefix.ts'
export type { Selection } from './registry/selection.ts'
export { createPostgresStoredServers } from './registry/stored-servers.postgres.ts'
export { serverChangesChannel, type StoredServer, type StoredServers } from './registry/stored-servers.ts'
export { createPostgresStoredToolsets } from './toolsets/stored-toolsets.postgres.ts'
export type { StoredToolset, StoredToolsets } from './toolsets/stored-toolsets.ts'
export { grantsToolset, noToolsets, type Toolset, type ToolsetLookup } from './toolsets/toolset.ts'
export { createToolsets, type Toolsets } from './toolsets/toolsets.ts'
export { logLevels } from './sessions/log-levels.ts'
export type { Listener, Outlet, Session } from './sessions/session.ts'
export { createSessionUpstreams, type SessionUpstreams } from './sessions/session-upstreams.ts'
export { createSessionNews, type SessionNews } from './sessions/session-news.ts'
export { createPostgresSessionStore } from './sessions/session-store.postgres.ts'
export type { SessionStore, StreamEvent } from './sessions/session-store.ts'
export { readEventId, type StreamLog, type StreamPlace, type Streams } from './sessions/streams.ts'
export type { Hearer, News } from './sessions/hearer.ts'
export { KeptNews } from './sessions/kept-news.ts'
export { serverNotFound } from './authorize.ts'
export { createSubscriptionGaps, type SubscriptionGaps } from './sessions/subscription-gaps.ts'
export { createSubscriptions, type Subscriptions } from './sessions/subscriptions.ts'
export type { SessionBounds } from './sessions/session-options.ts'
export { createSessions, type Sessions } from './sessions/sessions.ts'
export { type DefinitionDifference, diffDefinitions } from './trust/definition-diff.ts'
export { createPostgresToolDefinitions } from './trust/tool-definitions.postgres.ts'
export type { Decision, DefinitionKey, DefinitionRecord, ToolDefinitions, Verdict } from './trust/tool-definitions.ts'
export { createToolTrust, type ToolTrust } from './trust/tool-trust.ts'
export type { TransportOptions, UpstreamTransport } from './transports/transport.ts'
export { type ChildProcesses, createChildProcesses } from './transports/stdio/child-processes.ts'
export { transports } from './transports/index.ts'
export { type Circuits, type CircuitState, createCircuits } from './upstream/circuit.ts'
export type { Handshake } from './upstream/connection.ts'
export { createPool, defaultPoolBounds, type PoolBounds, type PoolOptions } from './upstream/create-pool.ts'
export type { Pool } from './upstream/pool.ts'
export { modernCodes } from './modern/codes.ts'
export { claimsModernEra, type Envelope, readEnvelope, serverInfoKey, subscriptionIdKey } from './modern/envelope.ts'
export { decodeHeaderValue } from './modern/header-values.ts'
export { nameFieldOf } from './modern/named-header.ts'
export type { HeaderOf } from './modern/argument-headers.ts'
export { createPostgresPost } from './rounds/post.postgres.ts'
export { createRounds, type Rounds } from './rounds/rounds.ts'
export { isVirtualServer, isVirtualTool } from './catalog/search/virtual-tools.ts'
export { rankTools } from './catalog/search/rank.ts'
