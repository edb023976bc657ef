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

interface Kept {
  readonly offered: Offered
  readonly weight: number
}

/** Bounded in items; the one that was not asked for longest goes first. */
export function createOfferMemory(bound: { readonly maxItems: number } = { maxItems }): OfferMemory {
  const serialOf = counting()
  const kept = new Map<string, Kept>()
  let weight = 0

  const drop = (key: string) => {
    weight -= kept.get(key)?.weight ?? 0
    kept.delete(key)
  }
  const keep = (key: string, one: Kept) => {
    if (one.weight > bound.maxItems) return
    kept.set(key, one)
    weight += one.weight
    for (const oldest of kept.keys()) {
      if (weight <= bound.maxItems) return
      drop(oldest)
    }
  }

  return {
    of(basis, make) {
      const key = JSON.stringify(encoded(basis, serialOf))
      const found = kept.get(key)
      const one = found ?? weighed(make())
      if (found !== undefined) drop(key)
      keep(key, one)
      return one.offered
    },
  }
}

/** An empty one is not free: its key is kept with it. */
function weighed(offered: Offered): Kept {
  return { offered, weight: 100 + offered.items.length + offered.withheld.length + offered.unapproved.length }
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
