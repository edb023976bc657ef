import { setImmediate as turn } from 'node:timers/promises'
import type { Listed } from '../catalog.ts'
import type { Listing } from '../listing.ts'
import { described } from '../offer.ts'
import { textFields, type ToolText, toolTextOf } from './tool-text.ts'

/** One server's list, turned over: which of its tools hold a word. */
export interface ListWords {
  /** The upstream's own, in the order of the list. */
  readonly names: readonly string[]
  /** Word → places in `names`, ascending. */
  readonly places: ReadonlyMap<string, readonly number[]>
}

/**
 * The words of lists, read once per list and gone with it: there is no index of a caller, nor one to keep in step. A list is
 * replaced as a whole when it is read anew.
 */
export interface WordIndex {
  of(list: Listed): Promise<ListWords>
}

/** Tools between two turns of the event loop: a large list must not hold up calls. */
const toolsPerTurn = 100

export function createWordIndex(): WordIndex {
  const known = new WeakMap<Listing, Promise<ListWords>>()
  return {
    of(list) {
      const { listing } = list
      const found = known.get(listing)
      if (found !== undefined) return found
      const made = readWords(list)
      known.set(listing, made)
      return made
    },
  }
}

async function readWords({ server, listing }: Listed): Promise<ListWords> {
  const names: string[] = []
  const places = new Map<string, number[]>()
  for (const [name, definition] of listing.byName) {
    if (names.length % toolsPerTurn === toolsPerTurn - 1) await turn()
    for (const word of distinctWords(toolTextOf(namesOf(server, name), described(server, name, definition)))) {
      const found = places.get(word)
      if (found === undefined) places.set(word, [names.length])
      else found.push(names.length)
    }
    names.push(name)
  }
  return { names, places }
}

function namesOf({ displayNames }: Listed['server'], name: string): string {
  return `${name} ${displayNames.get(name) ?? ''}`
}

function distinctWords(text: ToolText): ReadonlySet<string> {
  const words = new Set(textFields.flatMap((field) => text[field].split(' ')))
  words.delete('')
  return words
}
