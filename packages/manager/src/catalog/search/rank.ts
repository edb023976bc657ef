import type { JsonObject } from '@toolgate/core'
import MiniSearch from 'minisearch'
import { textFields, type ToolText, toolTextOf } from './tool-text.ts'
import { wordsOf } from './words.ts'

/** How much more a word in a name or title says than one in a description. */
const boost = { name: 4, title: 2, parameters: 0.5 }

const asTheyAre = { tokenize: (text: string) => text.split(' '), processTerm: (word: string) => word }

/**
 * The items that hold any of the words, by BM25, the best first; equals stay in their order. How rare a word is, is counted
 * over these items alone: so what a caller is shown says nothing of tools that it may not use.
 */
export function rankByWords<Item extends { readonly text: ToolText }>(
  words: readonly string[],
  items: readonly Item[],
): readonly Item[] {
  const index = new MiniSearch<ToolText & { id: number }>({ fields: [...textFields], ...asTheyAre })
  index.addAll(items.map(({ text }, id) => ({ id, ...text })))
  return index
    .search(words.join(' '), { boost })
    .toSorted((left, right) => right.score - left.score || Number(left.id) - Number(right.id))
    .flatMap(({ id }) => items[Number(id)] ?? [])
}

/** Places of the tools that share words with the query, the best first. */
export function rankTools(
  query: string,
  tools: readonly { readonly publicName: string; readonly definition: JsonObject }[],
): readonly number[] {
  const items = tools.map(({ publicName, definition }, place) => ({ place, text: toolTextOf(publicName, definition) }))
  return rankByWords(wordsOf(query), items).map(({ place }) => place)
}
