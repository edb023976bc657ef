import type { Guardrail, Subject, Verdict } from './guardrail.ts'
import { type Pace, startPace } from './pace.ts'
import type { FindPlaces } from './personal-data-kinds.ts'
import { type TextWindow, type WindowOptions, windowsAsRead, windowsAsWritten } from './text-windows.ts'

/** One place in a text that a rule is about. */
export interface Finding {
  /** Shown to callers and kept in the ledger: names what was found. */
  readonly rule: string
  readonly start: number
  readonly end: number
  /** What stands there instead; absent: the call is denied. */
  readonly mask?: string | undefined
}

/** Looks through texts as they read, or through windows of long ones. */
export interface Search {
  find(text: string): readonly Finding[] | Promise<readonly Finding[]>
  /** Also in a text as it is written, where it reads otherwise: what an operator wrote may speak of that. */
  readonly asWritten?: boolean
  /** It must see all of a text at once, since it finds things of any length. Only for what denies. */
  readonly whole?: boolean
}

/** A search for one kind of thing; without a mask it denies. */
export function searchFor(find: FindPlaces, rule: string, mask: string | undefined): Search {
  return { find: async (text) => (await find(text)).map((place) => ({ ...place, rule, mask })) }
}

/** Characters on both sides of what is judged in a text that is too long to be judged at once. */
const context = 16_384

/** Characters of a text that is judged at once, as many as a stream holds back. */
const maxWhole = 4_000_000

/**
 * A guardrail that finds places in texts: one that may not be there denies the call, the others are masked. What cannot be
 * judged whole although it must be is denied: nobody would have looked at it.
 */
export function guardFindings(searches: readonly Search[], window: number): Guardrail {
  return {
    window,
    async check({ slots }: Subject, signal): Promise<Verdict> {
      const found: (readonly Finding[])[] = []
      const options = { context: Math.max(context, window), pace: startPace(signal) }
      for (const { text } of slots) found.push(inOrder(await findIn(text, searches, options)))
      const all = found.flat()
      const denying = all.find(({ mask }) => mask === undefined)
      if (denying !== undefined) {
        return { outcome: 'denied', rule: denying.rule, reason: `it holds ${denying.rule}` }
      }
      const [first] = all
      if (first === undefined) return { outcome: 'allowed' }
      return {
        outcome: 'changed',
        rule: [...new Set(all.map(({ rule }) => rule))].slice(0, namedRules).join(', '),
        count: all.length,
        texts: slots.map(({ text }, index) => masked(text, found[index] ?? [])),
      }
    },
  }
}

const namedRules = 5

async function findIn(text: string, searches: readonly Search[], options: WindowOptions): Promise<Finding[]> {
  const read = await findInReading(windowsAsRead(text, options), searches, options)
  if (!read.differs) return read.found
  const asWritten = searches.filter((search) => search.asWritten === true)
  const written = await findInReading(windowsAsWritten(text, options), asWritten, options)
  return [...read.found, ...written.found]
}

interface FoundInReading {
  readonly found: Finding[]
  readonly differs: boolean
}

async function findInReading(
  windows: AsyncIterable<TextWindow>,
  searches: readonly Search[],
  { pace }: WindowOptions,
): Promise<FoundInReading> {
  const [inWhole, inWindows] = [searches.filter(isWhole), searches.filter((search) => !isWhole(search))]
  const found: Finding[] = []
  let whole = ''
  let differs = false
  for await (const window of windows) {
    for (const finding of await findWith(inWindows, window.text, pace)) {
      if (isWithin(window, finding)) found.push({ ...finding, ...window.toWritten(finding) })
    }
    if (inWhole.length > 0 && whole.length <= maxWhole) whole += window.text.slice(window.core.start, window.core.end)
    differs = window.differs
  }
  const ofWhole = whole.length > maxWhole ? [tooLong] : await findWith(inWhole, whole, pace)
  return { found: [...found, ...ofWhole], differs }
}

const tooLong: Finding = { rule: 'a text too long to be judged', start: 0, end: 1 }

function isWhole({ whole }: Search): boolean {
  return whole === true
}

async function findWith(searches: readonly Search[], text: string, pace: Pace): Promise<readonly Finding[]> {
  const found: Finding[] = []
  for (const search of searches) {
    for (const finding of await search.find(text)) found.push(finding)
    await pace.worked(text.length)
  }
  return found
}

/** What stands outside of the core alone is another window's to find, which sees what is around it. */
function isWithin({ core }: TextWindow, { start, end }: Finding): boolean {
  return start < core.end && end > core.start
}

/** From left to right; of two that overlap the later one is what is left of it, so that no part of either stays. */
function inOrder(findings: readonly Finding[]): readonly Finding[] {
  let covered = 0
  const sorted = findings.toSorted((left, right) => left.start - right.start || right.end - left.end)
  return sorted.flatMap((finding) => {
    // One that denies counts wherever it stands.
    const start = finding.mask === undefined ? finding.start : Math.max(finding.start, covered)
    if (start >= finding.end) return []
    covered = Math.max(covered, finding.end)
    return [{ ...finding, start }]
  })
}

function masked(text: string, findings: readonly Finding[]): string {
  let from = 0
  let result = ''
  for (const { start, end, mask = '' } of findings) {
    result += text.slice(from, start) + mask
    from = end
  }
  return result + text.slice(from)
}
