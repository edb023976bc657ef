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

/** It reads as it is written. */
export function isPlain(text: string): boolean {
  return !/[^\p{ASCII}]/u.test(text) && !text.includes('\\u')
}

/** A part of a text as it reads. */
export interface FoldedText {
  readonly text: string
  /** Of each of its characters, where in the written text what it stands for begins. */
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

export interface FoldedPart extends FoldedText {
  /** Where in the written text it ends. */
  readonly end: number
}

/**
 * What may read otherwise than it is written. A JSON text within a JSON text escapes its escapes; more backslashes than here are
 * nobody's.
 */
const special = /\\{1,8}u(?<code>[0-9a-fA-F]{4})|[^\p{ASCII}]{1,1000}/gu
/** Characters that an escape is written with at most. */
const longestEscape = 13

/**
 * The part of a text between two places as it reads: full-width digits, no-break spaces and the like are what they look like,
 * characters that are written as JSON's escapes are those characters, and what nobody sees is not there. It reads a character
 * that begins in the part to its end.
 */
export function fold(text: string, from: number, upTo: number): FoldedPart {
  const folding = startFolding(from)
  const part = text.slice(from, upTo < text.length ? endOfCharacter(text, upTo + longestEscape) : text.length)
  for (const { 0: found, index, groups } of part.matchAll(special)) {
    if (from + index >= upTo) break
    folding.keep(text, from + index)
    const code = groups?.['code']
    if (code !== undefined) folding.replace(found.length, String.fromCharCode(Number.parseInt(code, 16)))
    // Of a text in its normal form every part is in its normal form.
    else if (!unseen.test(found) && found === found.normalize('NFKC')) folding.keep(text, from + index + found.length)
    else for (const character of found) folding.replace(character.length, character)
  }
  folding.keep(text, upTo)
  return folding.done()
}

function startFolding(from: number) {
  const shown: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  let at = from
  return {
    /** Reads on to a place as it is written. */
    keep(text: string, to: number): void {
      if (to > at) shown.push(text.slice(at, to))
      for (; at < to; at += 1) {
        starts.push(at)
        ends.push(at + 1)
      }
    },
    /** Reads on over so many characters that stand for one. */
    replace(length: number, character: string): void {
      const start = at
      at += length
      if (unseen.test(character)) return
      const plain = character.normalize('NFKC')
      shown.push(plain)
      for (let unit = 0; unit < plain.length; unit += 1) {
        starts.push(start)
        ends.push(at)
      }
    },
    done: (): FoldedPart => ({ text: shown.join(''), starts, ends, end: at }),
  }
}

function endOfCharacter(text: string, at: number): number {
  return isPair(text, at + 1) ? at + 1 : at
}
