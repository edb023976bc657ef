import type { JsonObject, Principal, ServerDefinition, ServerOutcome } from '@toolgate/core'
import { type ListKind, listMethods } from '../methods.ts'
import { permits, type PermitRules } from '../permits.ts'
import { type Reach, reachesTarget } from '../reach.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Reading } from '../registry/name-reading.ts'
import type { ServerListing } from './catalog.ts'
import type { QuarantinedItem } from './listing.ts'

/** The listed items this caller may use, each under a callable name. */
export interface Offer {
  readonly items: readonly ListedItem[]
  /** What the caller could use but for a fault, with the reason. */
  readonly withheld: readonly WithheldItem[]
  /** Offered, though nobody has approved what they say of themselves. */
  readonly unapproved: readonly NamedItem[]
  /** One per server that was looked at. */
  readonly outcomes: readonly ServerOutcome[]
}

/** What a list tells of a server, and a tool loop goes by. */
export type ListedServer = Pick<ServerDefinition, 'id' | 'name' | 'alias' | 'prefix' | 'info' | 'requireApproval'>

export interface ListedItem {
  readonly server: ListedServer
  /** The name to call it by: `name`, for resources the URI or the URI template. */
  readonly publicName: string
  /** As the upstream sent it, its description replaced where the operator wrote one. */
  readonly definition: JsonObject
  /** It runs other tools: whether it may, is asked for each of those. */
  readonly runsOthers?: boolean
}

export interface NamedItem {
  readonly server: ManagedServer
  /** The upstream's own. */
  readonly name: string
  readonly reason: string
}

/** `quarantined`: not usable as it came. `held`: waits for approval. `unnamed`: no name tells it from another. */
export type WithheldStatus = 'quarantined' | 'held' | 'unnamed'

export interface WithheldItem extends NamedItem {
  readonly status: WithheldStatus
  /** Where only a public name is missing: it can be called all the same by whoever names the server as well. */
  readonly definition?: JsonObject
}

export interface OfferRequest extends PermitRules {
  readonly kind: ListKind
  readonly principal: Principal
  /** Absent: everything. */
  readonly reach?: Reach | undefined
  readonly listings: readonly ServerListing[]
  nameOf(reading: Reading): string | undefined
}

const nameless = 'Another server offers the same name, and the naming rules leave none that would tell them apart.'
const sharedDisplayName =
  'The display name that it was given means another tool as well. It can be called with its prefix, or beside its server.'
const sharedUri = 'Another server has the same URI, and URIs are not rewritten: it can be read by naming the server.'

export function offerTo({ kind, principal, reach, listings, nameOf, ...rules }: OfferRequest): Offer {
  const { target } = listMethods[kind]
  const why = (displayed: boolean) => {
    if (displayed) return sharedDisplayName
    return target === 'resource' ? sharedUri : nameless
  }
  const items: ListedItem[] = []
  const withheld: WithheldItem[] = []
  const unapproved: NamedItem[] = []
  for (const { server, listing } of listings) {
    const mayUse = (name: string) => {
      const one = { server, kind: target, name }
      return reachesTarget(reach, one) && permits(principal, one, rules)
    }
    for (const [name, sent] of listing?.byName ?? []) {
      if (!mayUse(name)) continue
      const publicName = nameOf({ server, name })
      const definition = target === 'tool' ? described(server, name, sent) : sent
      const reason = why(target === 'tool' && server.displayNames.has(name))
      if (publicName === undefined) withheld.push({ server, name, definition, status: 'unnamed', reason })
      else items.push({ server, publicName, definition })
    }
    const about = (some: readonly QuarantinedItem[] = []) =>
      some.filter(({ name }) => mayUse(name)).map((item) => ({ server, ...item }))
    withheld.push(...about(listing?.quarantined).map((item) => ({ ...item, status: 'quarantined' as const })))
    withheld.push(...about(listing?.held).map((item) => ({ ...item, status: 'held' as const })))
    unapproved.push(...about(listing?.unapproved))
  }
  return { items, withheld, unapproved, outcomes: listings.map(({ outcome }) => outcome) }
}

/** As it is shown, which is also how it is found. */
export function described({ descriptions }: ManagedServer, name: string, definition: JsonObject): JsonObject {
  const description = descriptions.get(name)
  return description === undefined ? definition : { ...definition, description }
}
