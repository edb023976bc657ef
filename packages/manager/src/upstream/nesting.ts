/**
 * How deep a message may be nested. `JSON.parse` takes any depth, but what is written with `JSON.stringify` afterwards, and
 * every recursive walk, runs out of stack at a few thousand levels. No honest message comes near.
 */
export const maxNesting = 1_000

/** A text of fewer characters cannot be nested deeper: each level costs two. */
const shortestTooDeep = 2 * maxNesting

/** Whether a parsed text is nested deeper than {@link maxNesting}. Short texts, the most, are not walked. */
export function isNestedTooDeep(value: unknown, textLength = Number.POSITIVE_INFINITY): boolean {
  return textLength >= shortestTooDeep && isDeeper(value, maxNesting)
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  return children.some((child) => isDeeper(child, levels - 1))
}
