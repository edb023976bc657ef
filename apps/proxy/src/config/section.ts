/**
 * Reads one map of the configuration: which keys may stand in it, and of what kind they are.
 *
 * Keys are strict where the section is ours; in LiteLLM's sections only a near miss of a known key is an error, because a
 * file that works there must load here.
 */
import { firstMisspelt, isJsonObject } from '@toolgate/core'
import type { z } from 'zod'
import { explainIssue, kindOf } from './explain.ts'
import type { ConfigPath, Report, Severity } from './report.ts'

export interface SectionRules<Schema extends z.ZodObject> {
  readonly schema: Schema
  /** `litellm`: keys that are nothing like a known one are a warning. */
  readonly dialect: 'ours' | 'litellm'
  /** Keys that somebody else reads. */
  readonly elsewhere?: Iterable<string>
  /** Keys that LiteLLM has and this gateway does nothing with: accepted, with a warning. */
  readonly inert?: Iterable<string>
}

export interface Place {
  readonly path: ConfigPath
  readonly report: Report
  /** What a value of the wrong kind comes to; `error` by default. A misspelt key is always an error. */
  readonly severity?: Severity
}

/** What the schema made of `value`, or `undefined` where it is absent or was reported. An empty value is an absent one. */
export function readSection<Schema extends z.ZodObject>(
  value: unknown,
  place: Place,
  rules: SectionRules<Schema>,
): z.output<Schema> | undefined {
  const section = readMap(value, place)
  if (section === undefined) return undefined
  reviewKeys(Object.keys(section), place, rules)
  const parsed = rules.schema.safeParse(section)
  if (parsed.success) return parsed.data
  const { path, report, severity = 'error' } = place
  for (const issue of parsed.error.issues) report[severity]([...path, ...pathOf(issue)], explainIssue(issue, section))
  return undefined
}

/** A map without its empty entries (`key:` and nothing behind it), or `undefined` where it is absent or reported. */
export function readMap(
  value: unknown,
  { path, report, severity = 'error' }: Place,
): Readonly<Record<string, unknown>> | undefined {
  if (value === undefined || value === null) return undefined
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null))
  report[severity](path, `must be a map, is ${kindOf(value)}`)
  return undefined
}

/** An issue's path in ours. */
export function pathOf(issue: { readonly path: readonly PropertyKey[] }): ConfigPath {
  return issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
}

function reviewKeys<Schema extends z.ZodObject>(
  keys: readonly string[],
  { path, report }: Place,
  { schema, dialect, elsewhere = [], inert = [] }: SectionRules<Schema>,
): void {
  const acted = new Set([...Object.keys(schema.shape), ...elsewhere])
  const idle = new Set(inert)
  for (const key of keys) {
    if (acted.has(key)) continue
    const place = [...path, key]
    if (idle.has(key)) {
      report.warn(place, 'is accepted, not acted on')
      continue
    }
    const misspelt = firstMisspelt([key], [...acted, ...idle])
    if (misspelt !== undefined) report.error(place, `is not a known key; did you mean ${misspelt.meant}?`)
    else if (dialect === 'litellm') report.warn(place, 'is not a known key; it is ignored')
    else report.error(place, `is not a known key; known are ${[...acted].join(', ')}`)
  }
}
