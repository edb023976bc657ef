/**
 * `guardrails`: checks that each entry is one. An entry that is none stops the start and the reload: calls that it was to judge
 * must not go on without it.
 */
import { firstMisspelt, isJsonObject, Secret } from '@toolgate/core'
import { guardrailEntrySchema, guardrailPlugs, toGuardrail } from '@toolgate/policies'
import { kindOf } from './explain.ts'
import type { ConfigPath, Report } from './report.ts'
import { pathOf } from './section.ts'

export interface GuardrailConfig {
  readonly path: ConfigPath
  readonly name: string
  /** The entry as JSON; a `Secret` because it may hold the key of a service. */
  readonly definition: Secret
}

export function readGuardrails(value: unknown, report: Report): readonly GuardrailConfig[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    report.error(['guardrails'], `must be a list, is ${kindOf(value)}`)
    return []
  }
  const entries = value.flatMap((item: unknown, index) => readGuardrail(item, ['guardrails', index], report))
  for (const [index, { path, name }] of entries.entries()) {
    if (entries.findIndex((other) => other.name === name) === index) continue
    report.error([...path, 'guardrail_name'], 'must be a name of its own')
  }
  return entries
}

function readGuardrail(item: unknown, path: ConfigPath, report: Report): GuardrailConfig[] {
  reviewKeys(item, path, report)
  const bound = toGuardrail(item)
  if (!bound.ok) {
    for (const issue of bound.issues) report.error([...path, ...pathOf(issue)], issue.message)
    return []
  }
  for (const warning of bound.warnings) report.warn(path, warning)
  return [{ path, name: bound.name, definition: new Secret(JSON.stringify(item)) }]
}

/** A misspelt setting would leave a check out. */
function reviewKeys(item: unknown, path: ConfigPath, report: Report): void {
  if (!isJsonObject(item)) return
  const params = item['litellm_params']
  const plug = isJsonObject(params) ? guardrailPlugs.find(({ type }) => type === params['guardrail']) : undefined
  const known = Object.keys(guardrailEntrySchema.shape.litellm_params.shape)
  const places: [ConfigPath, object, readonly string[]][] = [
    [path, item, Object.keys(guardrailEntrySchema.shape)],
    [[...path, 'litellm_params'], isJsonObject(params) ? params : {}, [...known, ...(plug?.keys ?? [])]],
  ]
  for (const [place, section, names] of places) {
    const misspelt = firstMisspelt(Object.keys(section), names)
    if (misspelt !== undefined)
      report.error([...place, misspelt.key], `is not a known key; did you mean ${misspelt.meant}?`)
  }
}
