import type { Place } from './personal-data-kinds.ts'

/** What stands between characters without being seen, with which a number looks whole and is not. */
const unseen = /\p{Default_Ignorable_Code_Point}/u

/** Where the last characters of a text begin, `seen` of which people see. */
export function beginOfLast(text: string, seen: number): number {
  let left = seen
  let at = text.length
  while (at > 0 && left > 0) {
    at -= isPair(text, at) ? 2 : 1
    if (!unseen.test(characterAt(text, at))) left -= 1
  }
  return at
}

function isPair(text: string, end: number): boolean {
  return end > 1 && (text.codePointAt(end - 2) ?? 0) > 0xffff
}

function characterAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at) ?? 0)
}

/**
 * Finds in a text as it reads: full-width digits, no-break spaces and the like are what they look like, characters that are
 * written as JSON's escapes are those characters, and what nobody sees is not there. Places are those of the text itself.
 */
export function inFolded<Found extends Place>(find: FindIn<Found>): FindIn<Found> {
  return async (text) => {
    if (isPlain(text)) return find(text)
    const { folded, starts, ends } = fold(text)
    const found = await find(folded)
    return found.map((one) => ({ ...one, start: starts[one.start] ?? 0, end: ends[one.end - 1] ?? text.length }))
  }
}

/** The same in the text as it is written too: what an operator wrote may speak of that. */
export function alsoInFolded<Found extends Place>(find: FindIn<Found>): FindIn<Found> {
  const findFolded = inFolded(find)
  return async (text) => {
    const written = await find(text)
    return isPlain(text) ? written : [...written, ...(await findFolded(text))]
  }
}

type FindIn<Found> = (text: string) => readonly Found[] | Promise<readonly Found[]>

/** It reads as it is written. */
function isPlain(text: string): boolean {
  return /^\p{ASCII}*$/u.test(text) && !text.includes('\\u')
}

/** A JSON text within a JSON text escapes its escapes; more of them than here are nobody's. */
const escaped = /\\{1,8}u([0-9a-fA-F]{4})/y

/** The character at a place, and how many it is written with. */
function readCharacter(text: string, at: number): { character: string; length: number } {
  escaped.lastIndex = at
  const [written, code] = (text[at] === '\\' && escaped.exec(text)) || []
  if (written !== undefined && code !== undefined) {
    return { character: String.fromCharCode(Number.parseInt(code, 16)), length: written.length }
  }
  const character = characterAt(text, at)
  return { character, length: character.length }
}

function fold(text: string) {
  const starts: number[] = []
  const ends: number[] = []
  const shown: string[] = []
  for (let at = 0; at < text.length; ) {
    const start = at
    const { character, length } = readCharacter(text, at)
    at += length
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
