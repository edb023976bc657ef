/**
 * Opens sockets to permitted addresses only. The check is made where the socket is dialled and on the very addresses that
 * are dialled: a name that resolves to something else a moment later gains nothing, and neither does a redirect.
 */
import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import type { AddressGuard } from './address-guard.ts'
import { GatewayError } from './errors.ts'

/** Says what a name stands for at this moment, as `lookup` of `node:dns` does. */
export type ResolveName = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface GuardedConnectorOptions {
  /** Milliseconds. */
  readonly timeout: number
  readonly resolveName?: ResolveName | undefined
}

/** A connector of undici's. */
export function guardedConnector(
  guard: AddressGuard,
  { timeout, resolveName = lookup }: GuardedConnectorOptions,
): buildConnector.connector {
  const connect = buildConnector({ timeout, lookup: guardedLookup(guard, resolveName) })
  return (options, callback) => {
    // An address is not looked up.
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(host) !== 0 && !guard(host)) callback(addressRefused(), null)
    else connect(options, callback)
  }
}

function guardedLookup(guard: AddressGuard, resolveName: ResolveName): LookupFunction {
  return (hostname, { all, ...options }, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0)
      const permitted = addresses.filter(({ address }) => guard(address))
      const [first] = permitted
      if (first === undefined) return callback(addressRefused(), '', 0)
      if (all === true) return callback(null, permitted)
      return answerOne(first, callback)
    })
  }
}

function answerOne({ address, family }: LookupAddress, callback: Parameters<LookupFunction>[2]): void {
  callback(null, address, family)
}

/** Names no address: whoever made up the host name would learn what it stands for in this network. */
function addressRefused(): GatewayError {
  return new GatewayError(
    'UPSTREAM_UNREACHABLE',
    'Its address is in a private or reserved network, which is refused here. ' +
      'An operator can allow the network in general_settings.mcp_allowed_private_networks.',
    { internal: 'ADDRESS_REFUSED' },
  )
}
