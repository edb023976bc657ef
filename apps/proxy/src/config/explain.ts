/**
 * Turns what zod found into a sentence for an operator. It names kinds of values and what was expected, and never quotes
 * a value: any string of a configuration may be a secret.
 */
import { isJsonObject, nearestName } from '@toolgate/core'
import type { z } from 'zod'

const expectedKinds: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a map',
  record: 'a map',
  string: 'a string',
}

/** The kind of a value as YAML and JSON name it. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'empty'
  if (value === '') return 'an empty string'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  return typeof value === 'boolean' ? 'true or false' : `a ${typeof value}`
}

/** One sentence part after a path: `must be a string, is a number`. `root` is what was checked. */
export function explainIssue(issue: z.core.$ZodIssue, root: unknown): string {
  const value = valueAt(root, issue.path)
  const must = requirement(issue, value)
  if (value === undefined) return `is missing; it ${must}`
  return issue.code === 'invalid_type' || issue.code === 'invalid_union' ? `${must}, is ${kindOf(value)}` : must
}

function requirement(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_value') return oneOf(issue.values.map(String), value)
  if (issue.code === 'invalid_type') return `must be ${expectedKinds[issue.expected] ?? issue.expected}`
  if (issue.code === 'too_small' && issue.origin === 'string') return 'must not be empty'
  if (issue.code === 'too_small' && isCount(issue))
    return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
  if (issue.code === 'too_big' && isCount(issue))
    return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`
  if (issue.code === 'invalid_format' && issue.format === 'url') return 'must be an http or https address'
  if (issue.code === 'invalid_key') return 'is not a name that can stand here'
  if (issue.code === 'unrecognized_keys') return `must not have the keys ${issue.keys.join(', ')}`
  return issue.message
}

function isCount({ origin }: { readonly origin: string }): boolean {
  return origin === 'number' || origin === 'int'
}

function oneOf(values: readonly string[], value: unknown): string {
  const suggestion = typeof value === 'string' ? nearestName(value, values) : undefined
  return `must be one of ${values.join(', ')}${suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`}`
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value) && typeof part === 'number') return value[part]
    if (isJsonObject(value) && typeof part === 'string') return value[part]
    return undefined
  }, root)
}
