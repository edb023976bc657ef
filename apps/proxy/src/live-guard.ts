import { type AddressGuard, createAddressGuard } from '@toolgate/core'

/** An address guard whose exceptions a reload may replace. */
export interface LiveGuard {
  readonly guard: AddressGuard
  /** Networks that may be dialled beside the public Internet. */
  allow(networks: readonly string[]): void
}

export function createLiveGuard(): LiveGuard {
  let current = createAddressGuard()
  return {
    guard: (address) => current(address),
    allow(networks) {
      current = createAddressGuard(networks)
    },
  }
}
