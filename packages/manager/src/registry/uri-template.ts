/**
 * Whether a URI may have come of a URI template (RFC 6570), as the official SDK understands both. Templates are a server's own
 * words and URIs a caller's, so every step is counted: no expression is matched by trying, and what takes too long does not fit.
 */

/** Steps for one URI and the templates of one server: a fifth of a second at worst. Ten thousand plain ones take half of them. */
const maxSteps = 2_000_000

/** What stands for itself, or one or more characters of a kind. */
type Part = string | Run

interface Run {
  readonly allows: (character: string) => boolean
  /** Several of them with commas in between. */
  readonly listed: boolean
}

interface Budget {
  left: number
}

export function fitsAny(templates: Iterable<unknown>, uri: string): boolean {
  const budget = { left: maxSteps }
  for (const template of templates) {
    if (typeof template !== 'string') continue
    if (fits(template, uri, budget)) return true
    if (budget.left < 0) return false
  }
  return false
}

function fits(template: string, uri: string, budget: Budget): boolean {
  budget.left -= template.length
  const parts = partsOf(template)
  if (parts === undefined) return false
  /** Where what was looked at so far may end, in order. */
  let ends: readonly number[] = [0]
  for (const part of parts) {
    ends = typeof part === 'string' ? afterText(part, uri, { ends, budget }) : afterRun(part, uri, { ends, budget })
    if (ends.length === 0 || budget.left < 0) return false
  }
  return ends.at(-1) === uri.length
}

interface Progress {
  readonly ends: readonly number[]
  readonly budget: Budget
}

function afterText(text: string, uri: string, { ends, budget }: Progress): readonly number[] {
  budget.left -= ends.length * text.length
  if (budget.left < 0) return []
  return ends.filter((end) => uri.startsWith(text, end)).map((end) => end + text.length)
}

/** From left to right, once: whether a run that began at one of the ends goes on is all there is to know. */
function afterRun({ allows, listed }: Run, uri: string, { ends, budget }: Progress): readonly number[] {
  const found: number[] = []
  let next = 0
  let begun = false
  let within = false
  for (let at = ends[0] ?? 0; at < uri.length; at += 1) {
    if (ends[next] === at) {
      begun = true
      next += 1
    }
    const character = uri.charAt(at)
    const isComma: boolean = listed && within && character === ','
    within = (begun || within) && allows(character)
    begun = isComma
    if (within) found.push(at + 1)
    if (!within && !begun && next === ends.length) break
  }
  budget.left -= uri.length
  return found
}

const word: Run = { allows: (character) => character !== '/' && character !== ',', listed: false }
const words: Run = { ...word, listed: true }
const value: Run = { allows: (character) => character !== '&', listed: false }
/** What `.` is in a regular expression. */
const anything: Run = { allows: (character) => !/[\n\r\u2028\u2029]/.test(character), listed: false }

/** Undefined where it is none. */
function partsOf(template: string): readonly Part[] | undefined {
  const parts: Part[] = []
  for (let at = 0; at < template.length; ) {
    const open = template.indexOf('{', at)
    if (open !== at) parts.push(template.slice(at, open === -1 ? template.length : open))
    if (open === -1) break
    const close = template.indexOf('}', open)
    const expression = close === -1 ? undefined : partsOfExpression(template.slice(open + 1, close))
    if (expression === undefined) return undefined
    parts.push(...expression)
    at = close + 1
  }
  return parts
}

function partsOfExpression(expression: string): readonly Part[] | undefined {
  const [operator = ''] = /^[+#./?&]?/.exec(expression) ?? []
  const listed = expression.slice(operator.length).split(',')
  const names = listed.map((name) => name.replace('*', '').trim()).filter((name) => name !== '')
  if (operator === '?' || operator === '&') {
    return names.flatMap((name, index) => [`${index === 0 ? operator : '&'}${name}=`, value])
  }
  if (names.length === 0) return undefined
  if (operator === '+' || operator === '#') return [anything]
  const run = expression.includes('*') && operator !== '.' ? words : word
  return operator === '' ? [run] : [operator, run]
}
