import type { JsonObject, ServerOutcome } from '@toolgate/core'
import type { Listed, ServerListing } from '../catalog.ts'
import { emptyListing, type Listing } from '../listing.ts'
import type { ListedItem, Offer } from '../offer.ts'
import { type Candidate, candidatesFor } from './candidates.ts'
import { createWordIndex } from './list-words.ts'
import { rankByWords } from './rank.ts'
import { toolTextOf } from './tool-text.ts'
import { wordsOf } from './words.ts'

/** What a search came to: tools as a list of the same caller would show them. */
export interface Findings {
  /** The best first. */
  readonly items: readonly ListedItem[]
  /** One per server that was searched, or could not be. */
  readonly outcomes: readonly ServerOutcome[]
}

export interface FindRequest {
  readonly query: string
  readonly limit: number
  readonly listings: readonly ServerListing[]
  /** What of these listings is the caller's, under which name: the very function that makes its lists. */
  offer(listings: readonly ServerListing[]): Offer
}

export interface ToolFinder {
  find(request: FindRequest): Promise<Findings>
  /** Reads the words of these lists, so that a search finds them read. */
  prepare(lists: readonly Listed[]): Promise<void>
}

/** How many of the caller's own tools are ranked; those that hold fewer and commoner words are not among them. */
const ranked = 100

export function createToolFinder(): ToolFinder {
  const index = createWordIndex()
  return {
    async find({ query, limit, listings, offer }) {
      const outcomes = listings.map(({ outcome }) => outcome)
      const words = wordsOf(query)
      if (words.length === 0) return { items: [], outcomes }
      const indexed = await Promise.all(
        listings.flatMap(({ server, listing }) =>
          listing === undefined ? [] : [index.of({ server, listing }).then((found) => ({ server, words: found }))],
        ),
      )
      const items = offered(candidatesFor(words, indexed), listings, offer)
      const texts = items.map((item) => ({ item, text: toolTextOf(item.publicName, item.definition) }))
      return {
        items: rankByWords(words, texts)
          .slice(0, limit)
          .map(({ item }) => item),
        outcomes,
      }
    },
    async prepare(lists) {
      for (const list of lists) await index.of(list)
    },
  }
}

/** The first candidates that are the caller's, asked for in portions: most callers may use most of what they search. */
function offered(
  candidates: readonly Candidate[],
  listings: readonly ServerListing[],
  offer: FindRequest['offer'],
): readonly ListedItem[] {
  const items: ListedItem[] = []
  for (let start = 0; start < candidates.length && items.length < ranked; start += ranked) {
    items.push(...offer(narrowed(listings, candidates.slice(start, start + ranked))).items)
  }
  return items.slice(0, ranked)
}

function narrowed(listings: readonly ServerListing[], candidates: readonly Candidate[]): readonly ServerListing[] {
  const wanted = new Map<string, Set<string>>()
  for (const { server, name } of candidates) {
    const names = wanted.get(server.id)
    if (names === undefined) wanted.set(server.id, new Set([name]))
    else names.add(name)
  }
  return listings.flatMap((part) => {
    const names = wanted.get(part.server.id)
    return names === undefined || part.listing === undefined ? [] : [{ ...part, listing: only(part.listing, names) }]
  })
}

function only({ byName }: Listing, names: ReadonlySet<string>): Listing {
  const kept = new Map<string, JsonObject>()
  for (const name of names) {
    const definition = byName.get(name)
    if (definition !== undefined) kept.set(name, definition)
  }
  return { ...emptyListing, items: [...kept.values()], byName: kept }
}
