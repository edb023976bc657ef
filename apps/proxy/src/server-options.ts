import {
  createClientCredentials,
  createTokenExchange,
  hashKey,
  type UpstreamAuthOptions,
  upstreamAuthMethods,
  type UserTokens,
} from '@toolgate/auth'
import type { Clock, Logger, Outbound } from '@toolgate/core'
import { type TransportOptions, transports } from '@toolgate/manager'
import type { LoadedConfig } from './config/load.ts'
import { createDigest, type ServerOptions } from './config/servers.ts'
import { version } from './version.ts'

export interface ServerOptionsSource {
  readonly loaded: Pick<LoadedConfig, 'environment'>
  readonly outbound: Outbound
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly log: Logger
  readonly children: TransportOptions['children']
  /** Absent: where nobody is asked for anything. */
  readonly userTokens?: UserTokens | undefined
}

/** What turns declared servers into reachable ones, with this way out; `config check` needs the same and nothing else. */
export function serverOptions(source: ServerOptionsSource): ServerOptions<UpstreamAuthOptions> {
  const { loaded, outbound, guardedOutbound, clock, log, children, userTokens } = source
  const { defaultTtlMs, minTtlMs, expiryBufferMs, maxEntries, maxExchanged } = loaded.environment.tokenCache
  const tuning = { defaultTtlMs, minTtlMs, expiryBufferMs, maxTokens: maxEntries }
  const ways = { outbound, guardedOutbound, clock }
  const tokens = createClientCredentials({ ...ways, tuning })
  const exchange = createTokenExchange({ ...ways, tuning: { ...tuning, maxTokens: maxExchanged } })
  return {
    transports,
    authMethods: upstreamAuthMethods,
    transportOptions: { outbound, guardedOutbound, clock, log, children, clientInfo: { name: 'toolgate', version } },
    authOptions: (report) => ({ tokens, exchange, outbound, userTokens, clock, report }),
    userSecrets: userTokens?.held,
    hashKey,
    digest: createDigest(),
  }
}
