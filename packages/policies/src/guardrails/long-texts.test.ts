import { setImmediate as turn } from 'node:timers/promises'
import { threadTimeOf } from '@toolgate/testing/thread-time'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import { judge } from './guardrails.fixture.ts'
import { textsOfParams, withTexts } from './texts.ts'

const prose = 'The quick brown fox jumps over the lazy dog and writes of it to nobody. '
/** Of about so many characters. One letter of another alphabet makes it a text that may read otherwise than it is written. */
const longText = (length: number) => `é${prose.repeat(Math.ceil(length / prose.length))}`

const rules = {
  guardrail: 'litellm_content_filter',
  blocked_words: Array.from({ length: 20 }, (_, at) => ({
    keyword: `word${at}ish`,
    action: at < 10 ? 'BLOCK' : 'MASK',
  })),
  patterns: Array.from({ length: 10 }, (_, at) => ({
    pattern_type: 'regex',
    name: 'code',
    pattern: String.raw`\b[A-Z]+${at}-\d{4}\b`,
    action: at < 5 ? 'BLOCK' : 'MASK',
  })),
}

async function maskedBy(params: Parameters<typeof judge>[0], text: string): Promise<string | undefined> {
  const verdict = await judge(params, [text])
  return verdict.outcome === 'changed' ? verdict.texts[0] : verdict.outcome
}

/** How often the event loop came round for others meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  const done = new AbortController()
  let turns = 0
  const others = async () => {
    for (; !done.signal.aborted; turns += 1) await turn()
  }
  await Promise.all([work().finally(() => done.abort()), others()])
  return turns
}

describe('a long text', () => {
  it('is judged by thirty rules for the price of a few searches', async () => {
    const text = longText(2_000_000)
    await judge(rules, [prose])
    const search = RE2JS.compile(String.raw`\bfalcon\b`, RE2JS.CASE_INSENSITIVE)
    // What one rule costs where an engine keeps account of groups.
    const once = await threadTimeOf(async () => void search.matcher(text).find())
    const all = await threadTimeOf(async () => expect(await judge(rules, [text])).toEqual({ outcome: 'allowed' }))
    expect(all).toBeLessThan(once * 10 + 500)
  })

  it.each([
    ['the content filter', rules],
    ['personal data', { guardrail: 'pii' }],
    ['secrets', { guardrail: 'hide-secrets' }],
  ])('leaves turns to others while it is judged: %s', async (_name, params) => {
    const texts = [longText(500_000), ...Array.from({ length: 500 }, () => longText(1_000))]
    expect(await turnsDuring(() => judge(params, texts))).toBeGreaterThan(10)
  })

  it('is no worse for others than as many letters, each a text of its own', async () => {
    const [length, params] = [100_000, { guardrail: 'pii' }]
    const ofOne = await turnsDuring(() => judge(params, ['a'.repeat(length)]))
    const ofMany = await turnsDuring(() => judge(params, Array<string>(length).fill('a')))
    expect(ofMany).toBeGreaterThan(ofOne * 5)
  })

  it.each([
    [
      'a word',
      { guardrail: 'litellm_content_filter', blocked_words: [{ keyword: 'Falcon', action: 'MASK' }] },
      'falcon',
    ],
    [
      'a pattern',
      {
        guardrail: 'litellm_content_filter',
        patterns: [{ pattern_type: 'regex', name: 'k', pattern: 'PRJ-\\d{4}', action: 'MASK' }],
      },
      'PRJ-1\u200B234',
    ],
    ['personal data', { guardrail: 'pii' }, 'ann.lee@example.com'],
    [
      'a secret',
      { guardrail: 'hide-secrets' },
      // Put together, so that no scanner of this repository takes it for a real one.
      `ghp_${'a1B2'.repeat(9)}`,
    ],
  ])('has %s masked wherever it stands, and nothing else', async (_name, params, found) => {
    const mask = await maskedBy(params, found)
    // So close together that whatever pieces it is judged in, places lie across their ends.
    const text = `é ${`${found} `.repeat(300_000 / found.length)}`
    expect(await maskedBy(params, text)).toBe(text.replaceAll(found, mask ?? ''))
  })

  it('hides nothing behind characters that nobody sees, however many', async () => {
    const params = { guardrail: 'litellm_content_filter', blocked_words: [{ keyword: 'falcon' }] }
    const text = `${longText(150_000)} fal${'\u200B'.repeat(300_000)}con ${prose}`
    expect(await judge(params, [text])).toMatchObject({ outcome: 'denied' })
  })

  it('is denied by a pattern however far apart what it speaks of stands', async () => {
    const pattern = { pattern_type: 'regex', pattern: '(?s)alpha.*omega', action: 'BLOCK' }
    const params = { guardrail: 'litellm_content_filter', patterns: [pattern] }
    const text = longText(600_000)
    expect(await judge(params, [`alpha ${text} omega`])).toMatchObject({ outcome: 'denied' })
    expect(await judge(params, [`omega ${text} alpha`])).toEqual({ outcome: 'allowed' })
  })

  it('that is too long to be judged by a pattern that denies is denied, and one that only masks lets it pass', async () => {
    const pattern = (action: string) => ({
      guardrail: 'litellm_content_filter',
      patterns: [{ pattern_type: 'regex', pattern: 'PRJ-\\d{4}', action }],
    })
    const text = 'a'.repeat(4_000_001)
    expect(await judge(pattern('BLOCK'), [text])).toMatchObject({
      outcome: 'denied',
      reason: 'it holds a text too long to be judged',
    })
    expect(await judge(pattern('MASK'), [text])).toEqual({ outcome: 'allowed' })
  })

  it('is left in the middle when its caller is gone', async () => {
    const leaving = new AbortController()
    const verdict = judge(rules, [longText(1_000_000)], { signal: leaving.signal })
    leaving.abort(new Error('gone'))
    await expect(verdict).rejects.toThrow('gone')
  })

  it('of JSON with very many places to mask costs what as many short ones cost', async () => {
    const mask = '[EMAIL_REDACTED]'
    const addresses = (count: number) => Array.from({ length: count }, (_, at) => `ann.${at}@example.com`)
    const callsWith = (calls: number, each: number) => ({
      calls: Array.from({ length: calls }, () => ({ arguments: JSON.stringify(addresses(each)) })),
    })
    const masked = (params: ReturnType<typeof callsWith>) => {
      const found = textsOfParams(params)
      return withTexts(
        params,
        found,
        Array.from(found, () => mask),
      )
    }
    const [short, long] = [callsWith(300, 100), callsWith(1, 30_000)]
    masked(short)
    const baseline = await threadTimeOf(async () => masked(short))
    const once = await threadTimeOf(async () =>
      expect(masked(long)).toEqual({ calls: [{ arguments: JSON.stringify(Array(30_000).fill(mask)) }] }),
    )
    expect(once).toBeLessThan(baseline * 10 + 500)
  })

  it('begins once, wherever it may be cut', async () => {
    const patterns = [{ pattern_type: 'regex', name: 'first', pattern: '^x', action: 'MASK' }]
    const params = { guardrail: 'litellm_content_filter', patterns }
    const rest = 'x'.repeat(300_000)
    expect(await maskedBy(params, `x${rest}`)).toBe(`[FIRST_REDACTED]${rest}`)
    expect(await maskedBy(params, `x${rest}é`)).toBe(`[FIRST_REDACTED]${rest}é`)
  })
})
