import { z } from 'zod'

/**
 * What bounds one tool loop. The file and a key set the ceiling of a request, which may narrow it (`mcp_limits`) and never
 * widen it.
 */
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
  /** Dollars of all rounds and calls together, as far as their prices are known; beyond it the model has to answer. */
  readonly maxSpend: number
  /** Characters of one tool's result that the model is shown. */
  readonly maxResultLength: number
}

export const defaultLoopLimits: LoopLimits = {
  maxRounds: 8,
  maxCalls: 64,
  maxDurationMs: 600_000,
  maxParallel: 8,
  maxTokens: 2_000_000,
  maxSpend: Number.POSITIVE_INFINITY,
  maxResultLength: 200_000,
}

const count = z.int().positive().optional()

/** `mcp_limits` as requests, keys and the file write it. */
export const loopLimitsSchema = z.strictObject({
  max_rounds: count,
  max_calls: count,
  /** A day; longer a timer of a request makes no sense. */
  max_seconds: z.number().positive().max(86_400).optional(),
  max_parallel: count,
  max_tokens: count,
  /** Dollars. */
  max_spend: z.number().nonnegative().optional(),
  max_result_characters: count,
})

/** Those that were said. */
export function toLoopLimits(written: z.output<typeof loopLimitsSchema>): Partial<LoopLimits> {
  const seconds = written.max_seconds
  return withoutUndefined({
    maxRounds: written.max_rounds,
    maxCalls: written.max_calls,
    maxDurationMs: seconds === undefined ? undefined : seconds * 1_000,
    maxParallel: written.max_parallel,
    maxTokens: written.max_tokens,
    maxSpend: written.max_spend,
    maxResultLength: written.max_result_characters,
  })
}

type Written = { readonly [Limit in keyof LoopLimits]: number | undefined }

function withoutUndefined(limits: Written): Partial<LoopLimits> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
}

/** What is said of `asked`, and nowhere more than the ceiling. */
export function withinCeiling(ceiling: LoopLimits, asked: Partial<LoopLimits>): LoopLimits {
  const least = (limit: keyof LoopLimits) => Math.min(ceiling[limit], asked[limit] ?? ceiling[limit])
  return {
    maxRounds: least('maxRounds'),
    maxCalls: least('maxCalls'),
    maxDurationMs: least('maxDurationMs'),
    maxParallel: least('maxParallel'),
    maxTokens: least('maxTokens'),
    maxSpend: least('maxSpend'),
    maxResultLength: least('maxResultLength'),
  }
}
