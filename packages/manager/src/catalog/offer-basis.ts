import type { Principal } from '@toolgate/core'
import { type PermitRules, permitBasis } from '../permits.ts'
import type { Reach } from '../reach.ts'
import type { Naming } from '../registry/name-map.ts'
import type { OfferRequest } from './offer.ts'
import type { Basis } from './offer-memory.ts'

export interface OfferBasisOptions extends Pick<OfferRequest, 'kind' | 'listings'>, PermitRules {
  readonly principal: Principal
  /** Of the request, and of what the request names within it. */
  readonly reaches: readonly (Reach | undefined)[]
  readonly naming: Naming
}

/** All that an offer is made of. What is left out here is what two callers with different rights would share. */
export function offerBasis({ kind, listings, principal, toolsets, reaches, naming }: OfferBasisOptions): Basis {
  const servers = [...naming.servers, ...listings.map(({ server }) => server)]
  return [
    kind,
    permitBasis(principal, servers, toolsets),
    reaches.map(reachBasis),
    naming.basis,
    listings.map(({ server, listing }) => [server, listing]),
  ]
}

/** Its sets are made for each request, so they are told by what they hold. */
function reachBasis({ servers, tools }: Reach = {}): Basis {
  return [servers && [...servers], tools && [...tools].map(([id, names]) => [id, [...names]])]
}
