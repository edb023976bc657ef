import { stemmer } from 'stemmer'

/**
 * Text as the words it is found by: `createIssue`, `create_issue` and "creating issues" are the same two. Pure. Scripts that
 * put no spaces between words are compared character by character.
 */
export function wordsOf(text: string): readonly string[] {
  const found = unaccented(text).replaceAll(humps, '$1 $2').toLowerCase().match(wordPattern) ?? []
  return found.filter((word) => !emptyWords.has(word)).map(stem)
}

/** Where a capital begins a word inside another: `listPods`, `HTTPServer`. */
const humps = /(\p{Ll}|\p{N}|\p{Lu}(?=\p{Lu}\p{Ll}))(\p{Lu})/gu

const unspaced = String.raw`\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Khmer}\p{sc=Lao}`
const wordPattern = new RegExp(String.raw`[${unspaced}]|(?:(?![${unspaced}])[\p{L}\p{N}])+`, 'gu')

/** English words that stand in nearly every description and every question, and tell no tool from another. */
const emptyWords = new Set(
  `a about an and any are as at be by can could do does for from has have how i if in into is it its me my need of on
   or our please should so some that the their them then there these this those to use used using want was we what when
   where which who will with would you your`.split(/\s+/),
)

const ascii = /^\p{ASCII}*$/u

function unaccented(text: string): string {
  return ascii.test(text) ? text : text.normalize('NFKD').replaceAll(/\p{M}/gu, '')
}

/** Words whose stem is remembered; the vocabulary of tools is small, and stemming is what indexing costs. */
const maxStems = 20_000
const stems = new Map<string, string>()

function stem(word: string): string {
  const known = stems.get(word)
  if (known !== undefined) return known
  if (stems.size >= maxStems) stems.clear()
  const made = stemmer(word)
  stems.set(word, made)
  return made
}
