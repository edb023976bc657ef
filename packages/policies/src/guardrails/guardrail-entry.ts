import { z } from 'zod'
import { type Guardrail, type GuardrailMode, guardrailModes, type GuardrailOptions } from './guardrail.ts'
import { guardrailPlugs } from './guardrail-plugs.ts'

/** One entry of `guardrails`, in LiteLLM's shape: which guardrail, when it looks, for whom, and what holds where it fails. */
export interface NamedGuardrail {
  readonly name: string
  readonly modes: ReadonlySet<GuardrailMode>
  /** Holds for every call; else for keys and requests that name it. */
  readonly defaultOn: boolean
  /** What becomes of a call that it could not judge. */
  readonly onFailure: 'deny' | 'allow'
  readonly guardrail: Guardrail
}

export type GuardrailEntry =
  | {
      readonly ok: true
      readonly name: string
      /** Settings that are accepted and not acted on. */
      readonly warnings: readonly string[]
      create(options: GuardrailOptions): NamedGuardrail
    }
  | { readonly ok: false; readonly issues: readonly { path: readonly PropertyKey[]; message: string }[] }

const mode = z.enum(guardrailModes)

export const guardrailParamsSchema = z.looseObject({
  guardrail: z.string().min(1),
  mode: z.union([mode.transform((one) => [one]), z.array(mode).min(1)], {
    error: `must be one or several of ${guardrailModes.join(', ')}`,
  }),
  default_on: z.boolean().default(false),
  on_failure: z.enum(['deny', 'allow']).optional(),
  /** LiteLLM's name of `on_failure`. */
  unreachable_fallback: z.enum(['fail_closed', 'fail_open']).optional(),
})

export const guardrailEntrySchema = z.looseObject({
  guardrail_name: z.string().min(1).max(128),
  litellm_params: guardrailParamsSchema,
})

const common = Object.keys(guardrailParamsSchema.shape)

/** Checks an entry, references already resolved. No issue shows a value of a setting. */
export function toGuardrail(entry: unknown): GuardrailEntry {
  const parsed = guardrailEntrySchema.safeParse(entry)
  if (!parsed.success) return { ok: false, issues: parsed.error.issues }
  const { guardrail_name: name, litellm_params: params } = parsed.data
  const plug = guardrailPlugs.find(({ type }) => type === params.guardrail)
  if (plug === undefined) {
    const supported = guardrailPlugs.map(({ type }) => type).join(', ')
    const message = `is not supported. Supported are ${supported}; any service is reached by generic_guardrail_api`
    return { ok: false, issues: [{ path: ['litellm_params', 'guardrail'], message }] }
  }
  const { onlyModes } = plug
  if (onlyModes !== undefined && params.mode.some((each) => !onlyModes.includes(each))) {
    const message = `must be ${onlyModes.join(' or ')} for the guardrail "${plug.type}"`
    return { ok: false, issues: [{ path: ['litellm_params', 'mode'], message }] }
  }
  const own = Object.entries(params).filter(([key]) => plug.keys.includes(key))
  const bound = plug.bind(Object.fromEntries(own))
  if (!bound.ok) {
    return {
      ok: false,
      issues: bound.issues.map(({ path, message }) => ({ path: ['litellm_params', ...path], message })),
    }
  }
  return {
    ok: true,
    name,
    warnings: Object.keys(params)
      .filter((key) => !common.includes(key) && !plug.keys.includes(key))
      .map((key) => `litellm_params.${key} is accepted and not acted on by the guardrail "${plug.type}"`),
    create: (options) => ({
      name,
      modes: new Set(params.mode),
      defaultOn: params.default_on,
      onFailure: params.on_failure ?? (params.unreachable_fallback === 'fail_open' ? 'allow' : 'deny'),
      guardrail: bound.create(options),
    }),
  }
}
