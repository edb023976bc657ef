import { firstMisspelt, type JsonObject } from '@toolgate/core'
import { z } from 'zod'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './providers/provider.ts'
import { type DeploymentRouting, type ModelPrices, readEntrySettings, routingKeys } from './deployment-routing.ts'
import { offline, providers } from './providers/index.ts'

/**
 * One entry of `model_list`: a public name and where it is served. Checks the entry when it is loaded, so that a wrong
 * provider or a missing key is an error of the file and not of somebody's request.
 */
export interface Deployment {
  /** What callers ask for; may hold one `*`. */
  readonly modelName: string
  /** The provider's name of it; a `*` in here takes what the public one's stood for. */
  readonly upstreamModel: string
  readonly provider: LlmProvider
  /** What names it in health, metrics, logs and headers; see `withIds`. */
  readonly id?: string | undefined
  readonly routing?: DeploymentRouting | undefined
  /** Absent: nobody knows what it costs. */
  readonly prices?: ModelPrices | undefined
}

export type DeploymentEntry =
  | {
      readonly ok: true
      readonly modelName: string
      readonly providerType: string
      /** Settings that are accepted and not acted on. */
      readonly warnings: readonly string[]
      create(options: ProviderOptions): Deployment
    }
  | { readonly ok: false; readonly issues: readonly DeploymentIssue[] }

/** Its path is within the entry, for example `['litellm_params', 'model']`; it shows no value but the model's name. */
export type DeploymentIssue = z.core.$ZodIssue

/** The shape of a `model_list` entry; what else LiteLLM knows in `litellm_params` belongs to the provider. */
export const deploymentSchema = z.looseObject({
  model_name: z.string().min(1),
  litellm_params: z.looseObject({
    model: z.string().min(1),
    custom_llm_provider: z.string().min(1).optional(),
  }),
  model_info: z.looseObject({}).optional(),
})

/** Of `litellm_params`: what means something for one provider or another, and LiteLLM's words that are close to one of ours. */
const parameterNames = new Set([
  ...Object.keys(deploymentSchema.shape.litellm_params.shape),
  ...routingKeys,
  ...[...providers, offline].flatMap(({ keys }) => keys),
  'mode',
  'models',
  'itpm',
  'otpm',
])

/**
 * A setting that nobody knows and that is close to a known one. Without it the entry would be another one: a key for the
 * operator's own server would go to the provider.
 */
export function misspeltParameter(parameters: object) {
  return firstMisspelt(Object.keys(parameters), parameterNames)
}

export interface ToDeploymentOptions {
  /** The environment: entries without `api_key` take the key from their provider's usual variable, as in LiteLLM. */
  readonly lookup?: (variable: string) => string | undefined
  /** Settings of entries that do not say them: LiteLLM's `litellm_settings`. */
  readonly defaults?: JsonObject
}

/** Checks an entry, `os.environ/…` already resolved. The product waits for what only the composition root has. */
export function toDeployment(entry: unknown, { lookup, defaults = {} }: ToDeploymentOptions = {}): DeploymentEntry {
  const parsed = deploymentSchema.safeParse(entry)
  if (!parsed.success) return { ok: false, issues: parsed.error.issues }
  const { model_name: modelName, litellm_params: parameters, model_info: information } = parsed.data
  const { model, custom_llm_provider: named, ...settings } = parameters
  const misspelt = misspeltParameter(settings)
  if (misspelt !== undefined) {
    return refused(['litellm_params', misspelt.key], `is not a known key; did you mean ${misspelt.meant}?`)
  }
  const own = readEntrySettings(settings, information)
  if (!own.ok) return own

  const placed = place(model, named)
  // As in LiteLLM: an entry with a canned answer asks nobody, whatever provider it names.
  const plug = 'mock_response' in settings ? offline : findPlug(placed)
  if (plug === undefined) return refused(['litellm_params', 'model'], unknownProvider(model, placed?.provider))

  const known = Object.entries({ ...defaults, ...settings }).filter(([key]) => plug.keys.includes(key))
  const written = Object.fromEntries(known)
  const usual = usualSettings(plug, lookup)
  const bound = plug.bind({ ...usual, ...written })
  if (!bound.ok)
    return { ok: false, issues: bound.issues.map((issue) => issueOfEntry(issue, { plug, usual, written })) }
  return {
    ok: true,
    modelName,
    providerType: plug.type,
    warnings: Object.keys(settings)
      .filter((key) => !plug.keys.includes(key) && !routingKeys.includes(key))
      .map((key) => `litellm_params.${key} is accepted and not acted on by the provider "${plug.type}"`),
    create: (options) => ({
      ...own.settings,
      modelName,
      upstreamModel: placed?.model ?? model,
      provider: bound.create(options),
    }),
  }
}

/** What entries do not say, as LiteLLM's users have it in the environment. */
function usualSettings({ variables = {} }: ProviderPlug, lookup: ToDeploymentOptions['lookup']) {
  const found = Object.entries(variables).map(([setting, variable]) => [setting, lookup?.(variable)])
  return Object.fromEntries(found.filter(([, value]) => value))
}

function findPlug(placed: ReturnType<typeof place>): ProviderPlug | undefined {
  if (placed === undefined) return undefined
  return providers.find(({ type, serves }) => type === placed.provider && serves?.test(placed.model) !== false)
}

function place(model: string, named: string | undefined): { provider: string; model: string } | undefined {
  if (named !== undefined) {
    return { provider: named, model: model.startsWith(`${named}/`) ? model.slice(named.length + 1) : model }
  }
  const slash = model.indexOf('/')
  if (slash > 0) return { provider: model.slice(0, slash), model: model.slice(slash + 1) }
  const provider = providers.find(({ modelNames }) => modelNames?.test(model) === true)
  return provider && { provider: provider.type, model }
}

function unknownProvider(model: string, provider: string | undefined): string {
  const problem =
    provider === undefined
      ? `"${model}" names no provider and its name tells none`
      : `"${model}": the provider "${provider}" is not supported`
  const supported = [...new Set(providers.map(({ type }) => `${type}/…`))].join(', ')
  return `${problem}. Supported are ${supported}; any server that speaks OpenAI's dialect is openai/… with its api_base`
}

interface Sources {
  readonly plug: ProviderPlug
  readonly usual: object
  readonly written: object
}

/** What the entry leaves out may stand in a variable: whoever reads the issue must learn which. */
function issueOfEntry(issue: z.core.$ZodIssue, { plug: { variables = {} }, usual, written }: Sources): DeploymentIssue {
  const path = ['litellm_params', ...issue.path]
  const [setting] = issue.path
  if (typeof setting !== 'string' || setting in written) return { ...issue, path }
  const variable = variables[setting]
  if (setting in usual) return ownIssue(path, `cannot be what ${variable} holds`)
  if (issue.code === 'custom' || variable === undefined) return { ...issue, path }
  return ownIssue(path, `is needed: give one, or set ${variable}`)
}

function refused(path: PropertyKey[], message: string): DeploymentEntry {
  return { ok: false, issues: [ownIssue(path, message)] }
}

function ownIssue(path: PropertyKey[], message: string): DeploymentIssue {
  return { code: 'custom', path, message, input: undefined }
}
