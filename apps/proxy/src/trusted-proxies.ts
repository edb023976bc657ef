import { networkMatcher } from '@toolgate/core'
import type { LiveConfig } from './reload/live-config.ts'

/** Whether a peer is a proxy whose `X-Forwarded-*` headers count: `use_x_forwarded_for` with `mcp_trusted_proxy_ranges`, as they are in force. */
export function createTrustedProxies(live: Pick<LiveConfig, 'current'>): (address: string | undefined) => boolean {
  let inForce: { ranges: readonly string[]; isTrusted: (address: string) => boolean } | undefined
  return (address) => {
    const ranges = live.current.config.trustedProxies
    if (ranges === undefined || address === undefined) return false
    if (inForce?.ranges !== ranges) inForce = { ranges, isTrusted: networkMatcher(ranges) }
    return inForce.isTrusted(address)
  }
}
