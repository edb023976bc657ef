import { LRUCache } from 'lru-cache'
import type { Offer } from './offer.ts'

/** An offer without what changes by the minute. */
export type Offered = Omit<Offer, 'outcomes'>

/**
 * Offers that were made, each under everything that it was made of: texts by what they say, objects by which they are. So
 * callers with the same rights share one, and there is nothing to keep in step: what changed is another object, and makes
 * another offer. Nothing that is changed in place may be part of a basis.
 */
export interface OfferMemory {
  of(basis: Basis, make: () => Offered): Offered
}

export type Basis = readonly BasisPart[]

export type BasisPart = string | boolean | undefined | object | Basis

/** Of all offers together: some 20 callers with different rights before 10,000 tools. */
const maxItems = 200_000

/** Bounded in items; the one that was not asked for longest goes first. */
export function createOfferMemory(bound: { readonly maxItems: number } = { maxItems }): OfferMemory {
  const serialOf = counting()
  const kept = new LRUCache<string, Offered>({ maxSize: bound.maxItems, sizeCalculation: weigh })
  return {
    of(basis, make) {
      const key = JSON.stringify(encoded(basis, serialOf))
      const before = kept.get(key)
      if (before !== undefined) return before
      const offered = make()
      kept.set(key, offered)
      return offered
    },
  }
}

/** An empty one is not free: its key is kept with it. */
function weigh({ items, withheld, unapproved }: Offered): number {
  return 100 + items.length + withheld.length + unapproved.length
}

type Encoded = string | boolean | null | number | Encoded[]

function encoded(part: BasisPart, serialOf: (one: object) => number): Encoded {
  if (part === undefined) return null
  if (typeof part === 'string' || typeof part === 'boolean') return part
  return Array.isArray(part) ? part.map((inner: BasisPart) => encoded(inner, serialOf)) : serialOf(part)
}

/** Numbers objects for as long as they are there. */
function counting(): (one: object) => number {
  const serials = new WeakMap<object, number>()
  let last = 0
  return (one) => {
    const known = serials.get(one)
    if (known !== undefined) return known
    last += 1
    serials.set(one, last)
    return last
  }
}
