import type { Clock, Outbound } from '@toolgate/core'
import type { ClientCredentials } from '../tokens/client-credentials.ts'
import type { TokenExchange } from '../tokens/token-exchange.ts'
import type { UserTokens } from '../user-tokens/user-tokens.ts'

/** What every upstream-auth plug is given by whoever reads the configuration. */
export interface UpstreamAuthOptions {
  readonly tokens: ClientCredentials
  readonly exchange: TokenExchange
  /** To addresses that the operator names. */
  readonly outbound: Outbound
  /** Absent: the system's. */
  readonly clock?: Clock
  /** Absent: tokens of users are kept nowhere. */
  readonly userTokens?: UserTokens | undefined
  /**
   * Hears what loads but deserves a word at start: `warning` for what will not work as written, `info` for what was
   * inferred. The message names settings, not the server: the reader knows its path.
   */
  report(level: 'info' | 'warning', message: string): void
}
