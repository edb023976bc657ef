import type { Guardrail, Subject, Verdict } from './guardrail.ts'

/** One place in a text that a rule is about. */
export interface Finding {
  /** Shown to callers and kept in the ledger: names what was found. */
  readonly rule: string
  readonly start: number
  readonly end: number
  /** What stands there instead; absent: the call is denied. */
  readonly mask?: string | undefined
}

export type FindIn = (text: string) => readonly Finding[] | Promise<readonly Finding[]>

/** A guardrail that finds places in texts: one that may not be there denies the call, the others are masked. */
export function guardFindings(find: FindIn, window: number): Guardrail {
  return {
    window,
    async check({ slots }: Subject): Promise<Verdict> {
      const found = await Promise.all(slots.map(async ({ text }) => inOrder(await find(text))))
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
