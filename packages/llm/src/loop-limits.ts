import { firstMisspelt, GatewayError, type JsonObject } from '@toolgate/core'
import { z } from 'zod'

/** What bounds one tool loop. A request may narrow it (`mcp_limits`) and never widen it. */
export interface LoopLimits {
  /** Rounds in which tools may run; the one without tools at the bound comes on top. */
  readonly maxRounds: number
  /** Calls executed over all rounds. */
  readonly maxCalls: number
  /** After this no tool is started and running ones are stopped. */
  readonly maxDurationMs: number
  /** Calls of one turn that run at the same time. */
  readonly maxParallel: number
  /** Tokens of all rounds together, as the provider counts them; beyond it the model has to answer. */
  readonly maxTokens: number
  /** Characters of one tool's result that the model is shown. */
  readonly maxResultLength: number
}

export const defaultLoopLimits: LoopLimits = {
  maxRounds: 8,
  maxCalls: 64,
  maxDurationMs: 600_000,
  maxParallel: 8,
  maxTokens: 2_000_000,
  maxResultLength: 200_000,
}

const count = z.int().positive().optional()

const schema = z.strictObject({
  max_rounds: count,
  max_calls: count,
  max_seconds: z.number().positive().optional(),
  max_parallel: count,
  max_tokens: count,
  max_result_characters: count,
})

/** The field is ours: no provider would know it. Rejects with `INVALID_REQUEST` what is no limit. */
export function takeLimits({ mcp_limits: asked, ...body }: JsonObject): {
  body: JsonObject
  limits: Partial<LoopLimits>
} {
  if (asked === undefined || asked === null) return { body, limits: {} }
  const parsed = schema.safeParse(asked)
  if (!parsed.success) throw unusable(asked, parsed.error.issues[0])
  const wanted = parsed.data
  return {
    body,
    limits: {
      ...narrowed('maxRounds', wanted.max_rounds),
      ...narrowed('maxCalls', wanted.max_calls),
      ...narrowed('maxDurationMs', wanted.max_seconds === undefined ? undefined : wanted.max_seconds * 1_000),
      ...narrowed('maxParallel', wanted.max_parallel),
      ...narrowed('maxTokens', wanted.max_tokens),
      ...narrowed('maxResultLength', wanted.max_result_characters),
    },
  }
}

function narrowed(limit: keyof LoopLimits, wanted: number | undefined): Partial<LoopLimits> {
  return wanted === undefined ? {} : { [limit]: Math.min(wanted, defaultLoopLimits[limit]) }
}

function unusable(asked: object | string | number | boolean, issue: z.core.$ZodIssue | undefined): GatewayError {
  const misspelt = firstMisspelt(typeof asked === 'object' ? Object.keys(asked) : [], Object.keys(schema.shape))
  const field = ['mcp_limits', ...(issue?.path ?? [])].join('.')
  const problem = misspelt ? `unknown field "${misspelt.key}", did you mean "${misspelt.meant}"?` : issue?.message
  return new GatewayError('INVALID_REQUEST', `${field} of the request is not usable: ${problem}`, {
    details: { field },
  })
}
