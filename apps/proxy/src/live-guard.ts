import { type AddressGuard, createAddressGuard } from '@toolgate/core'

/** An address guard whose exceptions a reload may replace. */
export interface LiveGuard {
  readonly guard: AddressGuard
  /** Networks that may be dialled beside the public Internet. Says whether they are others than before. */
  allow(networks: readonly string[]): boolean
}

export function createLiveGuard(): LiveGuard {
  let current = createAddressGuard()
  let allowed = ''
  return {
    guard: (address) => current(address),
    allow(networks) {
      const before = allowed
      allowed = networks.toSorted().join(' ')
      if (allowed === before) return false
      current = createAddressGuard(networks)
      return true
    },
  }
}
