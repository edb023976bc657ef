import validator from 'validator'
import type { Place } from './personal-data-kinds.ts'

/**
 * Numbers of cards and bank accounts among other numbers and words: which part of a run of digits is one is decided by check
 * digits, lengths, and how such numbers are grouped when they are written.
 */

/** Digits with at most one separator between two of them. */
const run = /\d(?:[ ./\-\u2010-\u2015]?\d)+/g

/** 4111 1111 1111 1111, 3782 822463 10005, 3056 930902 5904. */
const cardGroups = /^(?:\d{13,19}|\d{4}(?: \d{4}){2} \d{1,4}(?: \d{1,3})?|\d{4} \d{6} \d{4,5})$/

/** Groups that a card's number can have. */
const maxGroups = 5

export function findCards(text: string): Place[] {
  return [...text.matchAll(run)].flatMap(({ 0: found, index }) => {
    if (isLetter(text[index - 1]) || isLetter(text[index + found.length])) return []
    return isCard(found) ? [{ start: index, end: index + found.length }] : cardsWithin(found, index)
  })
}

function cardsWithin(found: string, offset: number): Place[] {
  const groups = [...found.matchAll(/\d+/g)].map(({ 0: digits, index }) => ({
    start: index,
    end: index + digits.length,
  }))
  const places: Place[] = []
  for (let at = 0; at < groups.length; at += 1) {
    const start = groups[at]?.start ?? 0
    // The decimals of a number are no card.
    if (found[start - 1] === '.' && groups[at]?.end === found.length) continue
    const last = groups
      .slice(at, at + maxGroups)
      .findLastIndex(({ end }) => isGrouped(found.slice(start, end)) && isCard(found.slice(start, end)))
    if (last === -1) continue
    places.push({ start: offset + start, end: offset + (groups[at + last]?.end ?? start) })
    at += last
  }
  return places
}

function isGrouped(text: string): boolean {
  return cardGroups.test(text.replaceAll(/\D/g, ' '))
}

function isCard(text: string): boolean {
  const length = text.length
  return length >= 13 && length <= 37 && validator.isCreditCard(text.replaceAll(/\D/g, ''))
}

function isLetter(character: string | undefined): boolean {
  return character !== undefined && /\p{L}/u.test(character)
}

const iban = /(?<![\p{L}\p{N}])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}/giu

/** Words may follow an account's number, and words that look like the beginning of one may stand before it. */
export function findIbans(text: string): Place[] {
  const places: Place[] = []
  const search = new RegExp(iban)
  for (let match = search.exec(text); match !== null; match = search.exec(text)) {
    const { 0: found, index: start } = match
    const end = endsOfWords(text, start, found.length).find((each) => validator.isIBAN(text.slice(start, each)))
    if (end !== undefined) places.push({ start, end })
    search.lastIndex = end ?? start + 1
  }
  return places
}

/** The longest first. */
function endsOfWords(text: string, start: number, length: number): number[] {
  return Array.from({ length: length - 14 }, (_, less) => start + length - less).filter(
    (end) => /[\p{L}\p{N}]/u.test(text[end - 1] ?? '') && !/[\p{L}\p{N}]/u.test(text[end] ?? ''),
  )
}
