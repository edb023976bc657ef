import {
  firstMisspelt,
  GatewayError,
  type JsonObject,
  type LoopLimits,
  loopLimitsSchema,
  toLoopLimits,
  withinCeiling,
} from '@toolgate/core'
import type { z } from 'zod'

/** The field is ours: no provider would know it. Rejects with `INVALID_REQUEST` what is no limit. */
export function takeLimits(
  { mcp_limits: asked, ...body }: JsonObject,
  ceiling: LoopLimits,
): { body: JsonObject; limits: LoopLimits } {
  if (asked === undefined || asked === null) return { body, limits: ceiling }
  const parsed = loopLimitsSchema.safeParse(asked)
  if (!parsed.success) throw unusable(asked, parsed.error.issues[0])
  return { body, limits: withinCeiling(ceiling, toLoopLimits(parsed.data)) }
}

function unusable(asked: object | string | number | boolean, issue: z.core.$ZodIssue | undefined): GatewayError {
  const known = Object.keys(loopLimitsSchema.shape)
  const misspelt = firstMisspelt(typeof asked === 'object' ? Object.keys(asked) : [], known)
  const field = ['mcp_limits', ...(issue?.path ?? [])].join('.')
  const problem = misspelt ? `unknown field "${misspelt.key}", did you mean "${misspelt.meant}"?` : issue?.message
  return new GatewayError('INVALID_REQUEST', `${field} of the request is not usable: ${problem}`, {
    details: { field },
  })
}
