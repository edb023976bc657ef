import { distance } from 'fastest-levenshtein'

/**
 * The known name that a misspelt one was probably meant to be; undefined where none is close. Two edits apart, one for
 * short words: almost every word of four letters is two edits from another. Letters in another order are one edit.
 */
export function nearestName(word: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let bound = word.length <= 4 ? 1 : 2
  for (const name of known) {
    const edits = editsBetween(word.toLowerCase(), name.toLowerCase())
    if (edits > bound || (nearest !== undefined && edits === bound)) continue
    nearest = name
    bound = edits
  }
  return nearest
}

/** A given key that nobody knows, and the known one it was probably meant to be. */
export interface Misspelt {
  readonly key: string
  readonly meant: string
}

/**
 * The first of `keys` that is close to a known one and none itself. Dropping such a key would silently change what was
 * asked for, so whoever reads keys refuses it; what is close to none is theirs to judge.
 */
export function firstMisspelt(keys: Iterable<string>, known: Iterable<string>): Misspelt | undefined {
  const names = new Set(known)
  for (const key of keys) {
    const meant = names.has(key) ? undefined : nearestName(key, names)
    if (meant !== undefined) return { key, meant }
  }
  return undefined
}

function editsBetween(left: string, right: string): number {
  const edits = distance(left, right)
  return edits === 2 && sortedLetters(left) === sortedLetters(right) ? 1 : edits
}

function sortedLetters(word: string): string {
  return word.split('').toSorted().join('')
}
