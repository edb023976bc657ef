import { definePlug } from '@toolgate/core'
import { RE2JS } from 're2js'
import { z } from 'zod'
import { guardFindings, type Search, searchFor } from './findings.ts'
import type { GuardrailOptions } from './guardrail.ts'
import { type FindPlaces, personalData, type PersonalDataKind } from './personal-data-kinds.ts'

/**
 * LiteLLM's content filter: patterns and words that are masked or that deny a call. Patterns are RE2's, so that none of them
 * is slow on any text; what RE2 does not have (look-around, back references) is an error of the file.
 */

/** LiteLLM's names of prebuilt patterns. */
const prebuilt: Readonly<Record<string, PersonalDataKind>> = {
  email: 'EMAIL_ADDRESS',
  us_phone: 'PHONE_NUMBER',
  phone: 'PHONE_NUMBER',
  credit_card: 'CREDIT_CARD',
  iban: 'IBAN_CODE',
  us_ssn: 'US_SSN',
  ip_address: 'IP_ADDRESS',
  ipv4: 'IP_ADDRESS',
}

const action = z.enum(['BLOCK', 'MASK'])

const patternSchema = z
  .object({
    pattern_type: z.enum(['prebuilt', 'regex']),
    pattern_name: z.string().min(1).optional(),
    /** LiteLLM's name of a pattern of one's own. */
    name: z.string().min(1).optional(),
    pattern: z.string().min(1).max(2_000).optional(),
    action,
  })
  .superRefine(({ pattern_type: type, pattern_name: name, pattern }, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (type === 'prebuilt' && (name === undefined || !Object.hasOwn(prebuilt, name))) {
      issue('pattern_name', `must be one of ${Object.keys(prebuilt).join(', ')}; secrets are found by hide-secrets`)
    }
    if (type === 'regex' && (pattern === undefined || compiled(pattern) === undefined)) {
      issue('pattern', 'must be a regular expression as RE2 reads it, without look-around and back references')
    }
  })

const schema = z.object({
  patterns: z.array(patternSchema).max(200).default([]),
  blocked_words: z
    .array(z.object({ keyword: z.string().min(1).max(200), action: action.default('BLOCK') }))
    .max(2_000)
    .default([]),
  /** Characters that a match may be long where the answer is streamed. */
  stream_window: z.int().min(16).max(50_000).default(512),
})

export const contentFilter = definePlug({
  type: 'litellm_content_filter',
  schema,
  create(settings, _options: GuardrailOptions) {
    const searches = [...settings.patterns.map(searchOfPattern), ...settings.blocked_words.map(searchOfWord)]
    return guardFindings(searches, settings.stream_window)
  },
})

function searchOfPattern(written: z.output<typeof patternSchema>): Search {
  const rule = written.pattern_name ?? written.name ?? 'a pattern'
  const mask = written.action === 'BLOCK' ? undefined : `[${rule.toUpperCase().replaceAll(/\W+/g, '_')}_REDACTED]`
  const kind = written.pattern_type === 'prebuilt' ? prebuilt[rule] : undefined
  if (kind !== undefined) return searchFor(personalData[kind], rule, mask)
  const pattern = compiled(written.pattern ?? '')
  // What also matches nothing at all is found by places that are something.
  if (mask !== undefined || pattern?.test('') === true) {
    return { ...searchFor(matchesOf(pattern), rule, mask), asWritten: true }
  }
  const find = (text: string) => (pattern?.test(text) === true ? [{ rule, start: 0, end: text.length }] : [])
  return { find, asWritten: true, whole: true }
}

/**
 * Words are found as words, in any case. Node's own engine is quick on them, and on no text slow: each is one word of a bounded
 * length.
 */
function searchOfWord({ keyword, action: wanted }: { keyword: string; action: 'BLOCK' | 'MASK' }): Search {
  const edge = (character: string | undefined, look: string) => (/\w/.test(character ?? '') ? look : '')
  const before = edge(keyword[0], '(?<!(?-i:[0-9A-Za-z_]))')
  const behind = edge(keyword.at(-1), '(?!(?-i:[0-9A-Za-z_]))')
  const word = new RegExp(`${before}${escaped(keyword)}${behind}`, 'giu')
  const find = (text: string) =>
    [...text.matchAll(word)].map(({ 0: found, index }) => ({ start: index, end: index + found.length }))
  const mask = wanted === 'BLOCK' ? undefined : '[KEYWORD_REDACTED]'
  return { ...searchFor(find, 'a blocked word', mask), asWritten: true }
}

/** With its characters that mean something in an expression standing for themselves. */
function escaped(keyword: string): string {
  return keyword.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
}

function compiled(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern)
  } catch {
    // What it cannot read is told as an issue of the file.
    return undefined
  }
}

function matchesOf(pattern: RE2JS | undefined): FindPlaces {
  return (text) => {
    // Whether there is any at all is told many times faster than where.
    const matcher = pattern?.test(text) === true ? pattern.matcher(text) : undefined
    const places: { start: number; end: number }[] = []
    while (matcher?.find() === true) {
      const [start, end] = [matcher.start(), matcher.end()]
      if (end > start) places.push({ start, end })
    }
    return places
  }
}
