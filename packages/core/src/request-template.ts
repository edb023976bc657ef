/**
 * Texts of the operator's that a request fills in: `${X-USER-TOKEN}` is its header of that name, `${X-TENANT:-main}` has
 * something to fall back on. A name has a hyphen, which no environment variable has, so the two never mean each other.
 */

const reference = /\$\{([^{}]*)\}/g
/** A header field name (RFC 9110 §5.6.2) with a hyphen, and what may follow it. */
const inside = /^([A-Za-z0-9!#$%&'*+.^_`|~]+(?:-[A-Za-z0-9!#$%&'*+.^_`|~]+)+)(?::-(.*))?$/s

/** Whether what stands between `${` and `}` names a header of requests. */
export function namesRequestHeader(text: string): boolean {
  return inside.test(text)
}

/** The headers that a text names, in lower case. */
export function templateHeaders(text: string): readonly string[] {
  return [...text.matchAll(reference)].flatMap(([, inner = '']) => inside.exec(inner)?.[1]?.toLowerCase() ?? [])
}

export interface FilledTemplate {
  readonly text: string
  /** A header that the text needs and nobody sent. */
  readonly missing: string | undefined
}

/** The variables that a text names: whatever is no header. */
export function templateVariables(text: string): readonly string[] {
  return [...text.matchAll(reference)].flatMap(([, inner = '']) => (inside.test(inner) ? [] : [inner]))
}

/**
 * `valueOf` is asked by names in lower case, `variableOf` by names that are no headers'; one that it does not know stays as it is
 * written. What they answer is taken as it is and not read again.
 */
export function fillTemplate(
  text: string,
  valueOf: (header: string) => string | undefined,
  variableOf: (name: string) => string | undefined = () => undefined,
): FilledTemplate {
  let missing: string | undefined
  const filled = text.replaceAll(reference, (whole, inner: string) => {
    const [, name, fallback] = inside.exec(inner) ?? []
    if (name === undefined) return variableOf(inner) ?? whole
    const value = valueOf(name.toLowerCase()) ?? fallback
    if (value === undefined) missing ??= name.toLowerCase()
    return value ?? ''
  })
  return { text: filled, missing }
}
