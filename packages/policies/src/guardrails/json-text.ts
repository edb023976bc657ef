/**
 * The values in a JSON text, each at its place, so that one of them is changed without writing the others anew: what looks like
 * a match may end in the middle of an escape, and a long number is not what a parser makes of it.
 */
export interface JsonToken {
  /** Of a string what it says, of a number its digits. */
  readonly text: string
  readonly start: number
  readonly end: number
}

export interface ChangedToken extends JsonToken {
  readonly shown: string
}

/** With a colon behind it a string is the name of a field. */
const token = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*/g

/** Undefined where it is no JSON object and no list. */
export function tokensOf(text: string): readonly JsonToken[] | undefined {
  if (!isJson(text)) return undefined
  return [...text.matchAll(token)].flatMap(({ 0: found, 1: quoted, 2: colon, index: start }) => {
    if (colon !== undefined) return []
    if (quoted !== undefined) {
      const said = String(JSON.parse(quoted))
      return said === '' ? [] : [{ text: said, start, end: start + quoted.length }]
    }
    return isLongNumber(found) ? [{ text: found, start, end: start + found.length }] : []
  })
}

/** A number that may be somebody's: shorter ones are counts and measures. */
export function isLongNumber(text: string): boolean {
  return /^-?\d{7,}$/.test(text)
}

export function withTokens(text: string, changed: readonly ChangedToken[]): string {
  let end = 0
  const parts = changed.flatMap((each) => {
    const before = text.slice(end, each.start)
    end = each.end
    return [before, JSON.stringify(each.shown)]
  })
  return `${parts.join('')}${text.slice(end)}`
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    // Half of one, or something else: it is judged as a text.
    return false
  }
}
