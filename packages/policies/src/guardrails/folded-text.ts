import type { FindPlaces, Place } from './personal-data-kinds.ts'

/** What stands between characters without being seen, with which a number looks whole and is not. */
const unseen = /[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]/

/**
 * Finds in a text as it reads: full-width digits, no-break spaces and the like are what they look like, and what nobody sees is
 * not there. Places are those of the text itself.
 */
export function inFolded(find: FindPlaces): FindPlaces {
  return async (text) => {
    if (/^\p{ASCII}*$/u.test(text)) return find(text)
    const { folded, starts, ends } = fold(text)
    const found = await find(folded)
    return found.map(({ start, end }): Place => ({ start: starts[start] ?? 0, end: ends[end - 1] ?? text.length }))
  }
}

function fold(text: string) {
  const starts: number[] = []
  const ends: number[] = []
  const shown: string[] = []
  let at = 0
  for (const character of text) {
    const start = at
    at += character.length
    if (unseen.test(character)) continue
    const plain = character.normalize('NFKC')
    shown.push(plain)
    for (let unit = 0; unit < plain.length; unit += 1) {
      starts.push(start)
      ends.push(at)
    }
  }
  return { folded: shown.join(''), starts, ends }
}
