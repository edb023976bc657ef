/**
 * `model_list`: checks that each entry is one, and hands it on as it stands. What `litellm_params` means is the business of
 * the package that calls models.
 */
import { isJsonObject, Secret } from '@toolgate/core'
import { misspeltParameter } from '@toolgate/llm'
import { z } from 'zod'
import { explainIssue, kindOf } from './explain.ts'
import type { ConfigPath, Finding, Report } from './report.ts'
import { pathOf, readSection } from './section.ts'

export const modelEntrySchema = z.object({
  model_name: z.string().min(1),
  litellm_params: z.looseObject({ model: z.string().min(1) }),
  model_info: z.looseObject({}).optional(),
})

/** One entry of `model_list`. */
export interface ModelEntry {
  readonly path: ConfigPath
  /** `model_name`: what callers ask for. */
  readonly name: string
  /** `litellm_params.model`, for people. */
  readonly model: string
  readonly hasKey: boolean
  /** The entry as JSON; a `Secret` because `litellm_params` holds the provider's key. */
  readonly definition: Secret
}

/** The parsed object behind an entry, for the binder of models. */
export interface ModelDefinition {
  readonly model_name: string
  readonly litellm_params: Readonly<Record<string, unknown>>
  readonly model_info?: Readonly<Record<string, unknown>> | undefined
}

export function readModels(value: unknown, report: Report): ModelEntry[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    report.error(['model_list'], `must be a list, is ${kindOf(value)}`)
    return []
  }
  return value.flatMap((item: unknown, index) => {
    const path = ['model_list', index]
    reviewParameters(item, path, report)
    const entry = readSection(item ?? {}, { path, report }, { schema: modelEntrySchema, dialect: 'litellm' })
    if (entry === undefined) return []
    return {
      path,
      name: entry.model_name,
      model: entry.litellm_params.model,
      hasKey: typeof entry.litellm_params['api_key'] === 'string',
      definition: new Secret(JSON.stringify(entry)),
    }
  })
}

function reviewParameters(item: unknown, path: ConfigPath, report: Report): void {
  const parameters = isJsonObject(item) ? item['litellm_params'] : undefined
  const misspelt = isJsonObject(parameters) ? misspeltParameter(parameters) : undefined
  if (misspelt === undefined) return
  report.error([...path, 'litellm_params', misspelt.key], `is not a known key; did you mean ${misspelt.meant}?`)
}

/** What the binder of models makes of one entry. */
export type ModelBinding =
  | { readonly ok: true; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly issues: readonly z.core.$ZodIssue[] }

export interface BoundModels<Model> {
  readonly models: readonly Model[]
  /** Entries left out, and why. */
  readonly problems: readonly Finding[]
  readonly notices: readonly Finding[]
}

/** Binds every entry; one that cannot be bound is left out with its reason. `bind` sees provider keys in the clear. */
export function bindModels<Binding extends ModelBinding>(
  entries: readonly ModelEntry[],
  bind: (definition: ModelDefinition) => Binding,
): BoundModels<Extract<Binding, { ok: true }>> {
  const models: Extract<Binding, { ok: true }>[] = []
  const problems: Finding[] = []
  const notices: Finding[] = []
  for (const entry of entries) {
    const definition = open(entry)
    const binding = bind(definition)
    const outcome: ModelBinding = binding
    if (outcome.ok) notices.push(...outcome.warnings.map((message) => ({ path: entry.path, message })))
    else
      problems.push(
        ...outcome.issues.map((issue) => ({
          path: [...entry.path, ...pathOf(issue)],
          message: issue.code === 'custom' ? issue.message : explainIssue(issue, definition),
        })),
      )
    if (isBound(binding)) models.push(binding)
  }
  return { models, problems, notices }
}

function isBound<Binding extends ModelBinding>(binding: Binding): binding is Extract<Binding, { ok: true }> {
  return binding.ok
}

function open({ definition }: ModelEntry): ModelDefinition {
  const entry: unknown = JSON.parse(definition.reveal())
  return modelEntrySchema.parse(entry)
}
