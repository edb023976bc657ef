import type { Outbound } from '@toolgate/core'

export interface ProviderWays {
  readonly outbound: Outbound
  readonly guardedOutbound: Outbound
}

/**
 * The way out to addresses of an identity provider. Its issuer is the operator's word; what its metadata name elsewhere is the
 * provider's, and passes the guard for private networks.
 */
export function wayToProvider(issuer: string, { outbound, guardedOutbound }: ProviderWays): (url: string) => Outbound {
  const own = URL.parse(issuer)?.origin
  return (url) => (URL.parse(url)?.origin === own ? outbound : guardedOutbound)
}
