import type { Sealer, UpstreamAuthOptions, UserTokenMemory } from '@toolgate/auth'
import type { Clock, Logger, NewId, Outbound, Secret } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import type { LoadedConfig } from './config/load.ts'
import type { ServerOptions } from './config/servers.ts'
import type { LiveGuard } from './live-guard.ts'
import type { Metrics } from './metrics.ts'
import type { LiveConfig } from './reload/live-config.ts'

/** What every part of the composition is given. */
export interface Foundation {
  /** That of the start. What a reload may change is asked of `live`. */
  readonly loaded: LoadedConfig
  readonly live: LiveConfig
  readonly masterKey: Secret
  readonly sealer: Sealer
  readonly database: Database
  readonly log: Logger
  readonly clock: Clock
  readonly newId: NewId
  readonly outbound: Outbound
  /** For addresses that are not the operator's: those of stored servers, of documents and of metadata. */
  readonly guardedOutbound: Outbound
  readonly liveGuard: LiveGuard
  readonly metrics: Metrics
  readonly userTokenMemory: UserTokenMemory
  /** Made once: what a reload finds unchanged keeps its revision and its tokens. */
  readonly serverOptions: ServerOptions<UpstreamAuthOptions>
}
