import validator from 'validator'
import { findCards, findIbans } from './account-numbers.ts'

/**
 * Personal data by LiteLLM's (Presidio's) names. A candidate is what looks like one; a library that knows the kind, its check
 * digits and its lengths decides. Nothing here guesses names of people or places.
 */
export interface Place {
  readonly start: number
  readonly end: number
}

/** Of texts as they read. */
export type FindPlaces = (text: string) => readonly Place[] | Promise<readonly Place[]>

/** Candidates are bounded, so that no text is slow to look through. */
const candidates = {
  email: /[\p{L}\p{N}._%+'-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu,
  ssn: /\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b/g,
  ipv4: /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])/g,
  ipv6: /(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])/g,
}

export const personalData = {
  EMAIL_ADDRESS: places(candidates.email, (text) => validator.isEmail(text)),
  PHONE_NUMBER: findPhoneNumbers,
  CREDIT_CARD: findCards,
  IBAN_CODE: findIbans,
  US_SSN: places(candidates.ssn, () => true),
  IP_ADDRESS: (text) => [
    ...places(candidates.ipv4, (found) => validator.isIP(found, 4))(text),
    ...places(candidates.ipv6, (found) => validator.isIP(found, 6))(text),
  ],
} as const satisfies Record<string, FindPlaces>

export type PersonalDataKind = keyof typeof personalData

export const personalDataKinds = [
  'EMAIL_ADDRESS',
  'PHONE_NUMBER',
  'CREDIT_CARD',
  'IBAN_CODE',
  'US_SSN',
  'IP_ADDRESS',
] as const satisfies readonly PersonalDataKind[]

/** The longest of them, with what people write in between. */
export const longestPersonalData = 128

function places(candidate: RegExp, isOne: (text: string) => boolean) {
  return (text: string): Place[] =>
    [...text.matchAll(candidate)]
      .filter(([found]) => isOne(found))
      .map(({ 0: found, index }) => ({ start: index, end: index + found.length }))
}

/** With its country's code, however it is written. */
const international = /(?<![\w+])\+(?:[ .()-]{0,2}\d){8,15}(?!\d)/g
/** As it is written in North America. Ten digits in a row are as often the number of something else. */
const american = /(?<![\w.+-])(?:1[ .-]?)?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])/g

async function findPhoneNumbers(text: string): Promise<readonly Place[]> {
  if (!/\d{2}/.test(text)) return []
  const { isValidPhoneNumber } = await import('libphonenumber-js')
  const abroad = [...text.matchAll(international)].flatMap(({ 0: found, index }) => {
    // What stands behind a number may look like more of it.
    const number = prefixes(found).find((prefix) => isValidPhoneNumber(prefix))
    return number === undefined ? [] : [{ start: index, end: index + number.length }]
  })
  return [...abroad, ...places(american, (found) => isValidPhoneNumber(found, 'US'))(text)]
}

/** The whole, and what is left of it without its last groups. */
function prefixes(text: string): string[] {
  const ends = [...text.matchAll(/(?<=\d)[ .()-]/g)].map(({ index }) => text.slice(0, index))
  return [text, ...ends.toReversed()]
}
