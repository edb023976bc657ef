import { definePlug } from '@toolgate/core'
import { RE2JS } from 're2js'
import { z } from 'zod'
import { type Finding, guardFindings } from './findings.ts'
import { alsoInFolded } from './folded-text.ts'
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
    const rules = [...settings.patterns.map(ruleOfPattern), ...settings.blocked_words.map(ruleOfWord)]
    return guardFindings(async (text) => {
      const found = await Promise.all(
        rules.map(
          async ({ find, rule, mask }): Promise<Finding[]> =>
            (await find(text)).map((place) => ({ ...place, rule, mask })),
        ),
      )
      return found.flat()
    }, settings.stream_window)
  },
})

interface Rule {
  readonly rule: string
  readonly mask: string | undefined
  readonly find: FindPlaces
}

function ruleOfPattern(written: z.output<typeof patternSchema>): Rule {
  const rule = written.pattern_name ?? written.name ?? 'a pattern'
  const mask = written.action === 'BLOCK' ? undefined : `[${rule.toUpperCase().replaceAll(/\W+/g, '_')}_REDACTED]`
  const kind = written.pattern_type === 'prebuilt' ? prebuilt[rule] : undefined
  return {
    rule,
    mask,
    find: kind === undefined ? alsoInFolded(matchesOf(compiled(written.pattern ?? ''))) : personalData[kind],
  }
}

/** Words are found as words, in any case. */
function ruleOfWord({ keyword, action: wanted }: { keyword: string; action: 'BLOCK' | 'MASK' }): Rule {
  const edge = (character: string | undefined) => (/\w/.test(character ?? '') ? String.raw`\b` : '')
  const pattern = `${edge(keyword[0])}${RE2JS.quote(keyword)}${edge(keyword.at(-1))}`
  return {
    rule: 'a blocked word',
    mask: wanted === 'BLOCK' ? undefined : '[KEYWORD_REDACTED]',
    find: alsoInFolded(matchesOf(RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE))),
  }
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
    const matcher = pattern?.matcher(text)
    const places: { start: number; end: number }[] = []
    while (matcher?.find() === true) {
      const [start, end] = [matcher.start(), matcher.end()]
      if (end > start) places.push({ start, end })
    }
    return places
  }
}
