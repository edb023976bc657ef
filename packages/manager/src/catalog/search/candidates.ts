import type { ManagedServer } from '../../registry/managed-server.ts'
import { prefixesOf } from '../../public-name.ts'
import type { ListWords } from './list-words.ts'
import { wordsOf } from './words.ts'

/** One server with the words of its list. */
export interface IndexedServer {
  readonly server: ManagedServer
  readonly words: ListWords
}

export interface Candidate {
  readonly server: ManagedServer
  /** The upstream's own. */
  readonly name: string
  readonly weight: number
}

/**
 * Every tool of these servers that holds one of the words, those with the rarest words first: a rough order over thousands,
 * of which the first are then ranked properly. The words of a server's names are words of all its tools.
 */
export function candidatesFor(query: readonly string[], servers: readonly IndexedServer[]): readonly Candidate[] {
  const parts = servers.map((part) => ({ ...part, own: ownWords(part), weights: weightless(part) }))
  const total = parts.reduce((sum, { weights }) => sum + weights.length, 0)
  for (const word of new Set(query)) {
    const held = parts.map(({ own, words }) =>
      own.has(word) ? [...words.names.keys()] : (words.places.get(word) ?? []),
    )
    const frequency = held.reduce((sum, places) => sum + places.length, 0)
    const weight = Math.log(1 + total / Math.max(1, frequency))
    for (const [index, { weights }] of parts.entries()) {
      for (const place of held[index] ?? []) weights[place] = (weights[place] ?? 0) + weight
    }
  }
  return parts.flatMap(holders).toSorted((left, right) => right.weight - left.weight)
}

function holders({ server, words, weights }: IndexedServer & { weights: Float64Array }): Candidate[] {
  const found: Candidate[] = []
  for (const [place, name] of words.names.entries()) {
    const weight = weights[place] ?? 0
    if (weight > 0) found.push({ server, name, weight })
  }
  return found
}

function weightless({ words }: IndexedServer): Float64Array {
  return new Float64Array(words.names.length)
}

function ownWords({ server }: IndexedServer): ReadonlySet<string> {
  return new Set(prefixesOf({ ...server, id: '' }).flatMap(wordsOf))
}
