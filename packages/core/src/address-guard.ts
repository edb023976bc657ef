/**
 * Which network addresses may be dialled on behalf of somebody who is not the operator: the public Internet, and what the
 * operator lists. Pure; `outbound.ts` asks for every address it is about to dial.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'

/** Says whether an IP address, without brackets, may be dialled. */
export type AddressGuard = (address: string) => boolean

/** IANA's registry of special-purpose IPv4 addresses, multicast, and the cloud metadata address that is in none of them. */
const refusedIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Azure answers there to every machine of a customer.
  '168.63.129.16/32',
]

/**
 * Within global unicast, `2000::/3`: protocol assignments and Teredo, documentation, 6to4. Teredo and 6to4 carry an IPv4
 * address within, which may be a private one.
 */
const refusedIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']
/** Everything outside is local, reserved, or another spelling of an IPv4 address. */
const globalUnicast = ['2000::/3']

const refused = networksOf([...refusedIpv4, ...refusedIpv6])
const global = networksOf(globalUnicast)

/** `allowed` are networks as CIDR, or single addresses, that may be dialled all the same. Throws for one {@link isNetwork} refuses. */
export function createAddressGuard(allowed: readonly string[] = []): AddressGuard {
  const exceptions = networksOf(allowed)
  return (address) => {
    const family = familyOf(address)
    if (family === undefined) return false
    if (exceptions.check(address, family)) return true
    return !refused.check(address, family) && (family === 'ipv4' || global.check(address, family))
  }
}

/** Whether an IP address is in one of these networks. Throws as {@link createAddressGuard}. */
export function networkMatcher(networks: readonly string[]): (address: string) => boolean {
  const list = networksOf(networks)
  return (address) => {
    // How a socket for both families shows an IPv4 address.
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
    const family = familyOf(plain)
    return family !== undefined && list.check(plain, family)
  }
}

/** An IP address, or one with the length of its network: `10.0.0.0/8`, `fd00::/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', length, ...rest] = text.split('/')
  const bits = isIP(address) === 4 ? 32 : 128
  if (isIP(address) === 0 || rest.length > 0) return false
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits)
}

/** The IP address that a URL names by number, in whatever spelling: the URL parser has normalised it. */
export function literalAddress({ hostname }: URL): string | undefined {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(address) === 0 ? undefined : address
}

function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    if (!isNetwork(network)) throw new TypeError('not an address or a network in CIDR notation')
    const [address = '', length] = network.split('/')
    list.addSubnet(address, Number(length ?? (isIPv4(address) ? 32 : 128)), isIPv4(address) ? 'ipv4' : 'ipv6')
  }
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address)
  if (version === 0) return undefined
  return version === 4 ? 'ipv4' : 'ipv6'
}
