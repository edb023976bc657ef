/**
 * Whose share of a limit a request is: the address that it came from, as the proxies in front say where they are trusted. What
 * anybody else says of itself counts for nothing, and of IPv6 a network counts as one: whoever has one address there has them all.
 */
import { isIP, isIPv6 } from 'node:net'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'
import type { LiveConfig } from './reload/live-config.ts'
import { createTrustedProxies } from './trusted-proxies.ts'

export type ClientAddress = (context: Context<AppEnv>) => string

export function createClientAddress(live: Pick<LiveConfig, 'current'>): ClientAddress {
  const isTrusted = createTrustedProxies(live)
  return (context) => {
    const said = context.req.header('x-forwarded-for')?.split(',') ?? []
    let address = context.env?.incoming?.socket.remoteAddress
    // From the nearest: each trusted proxy says who came to it.
    for (const hop of said.map(addressIn).toReversed()) {
      if (hop === undefined || !isTrusted(address)) break
      address = hop
    }
    return address === undefined ? 'unknown' : networkOf(address)
  }
}

/** Some proxies write the port as well. */
function addressIn(hop: string): string | undefined {
  const text = hop.trim()
  const address = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return isIP(address) === 0 ? undefined : address
}

/** Of IPv6 the first 64 bits, which one subscriber has to itself (RFC 6177). */
function networkOf(address: string): string {
  // How a socket for both families shows an IPv4 address.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const [first, last] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')))
  const left = first ?? []
  const zeros = Array.from({ length: 8 - left.length - (last?.length ?? 0) }, () => '0')
  return `${[...left, ...zeros, ...(last ?? [])].slice(0, 4).join(':')}::/64`
}
