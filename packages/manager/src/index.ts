export {
  type Attempt,
  type Catalog,
  type CatalogOptions,
  type CatalogRequest,
  type CatalogTiming,
  createCatalog,
  defaultCatalogTiming,
  type ServerListing,
} from './catalog/catalog.ts'
export type { EntryBounds } from './catalog/entries.ts'
export type { ListedItem, Offer, WithheldItem } from './catalog/offer.ts'
export { createGateway, type Gateway, type GatewayOptions, type ListRequest, type SendRequest } from './gateway.ts'
export { createHealth, type Health, type HealthStatus, type ServerHealth } from './health.ts'
export { type ListKind, outdatedBy } from './methods.ts'
export { permits, permitsServer } from './permits.ts'
export { defaultNaming, joinName, type NamingRules, type PrefixMode } from './public-name.ts'
export type { ManagedServer } from './registry/managed-server.ts'
export { createNameMap, type NameMap, type NameMapOptions } from './registry/name-map.ts'
export { createRegistry, type Quarantined, type Registry, type RegistryOptions } from './registry/registry.ts'
export type { Selection } from './registry/selection.ts'
export type { TransportOptions, UpstreamTransport } from './transports/transport.ts'
export { transports } from './transports/index.ts'
export { createPool, defaultPoolBounds, type PoolBounds, type PoolOptions } from './upstream/create-pool.ts'
export type { Pool } from './upstream/pool.ts'
