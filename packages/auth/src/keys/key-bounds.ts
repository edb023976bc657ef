/**
 * What the operator's file says about every key of the API: `default_key_generate_params` fill in what a request leaves
 * out, `upperbound_key_generate_params` are what no request may exceed. As in LiteLLM a bound is also the value of a request
 * that names none, since a limit left out would be above every bound.
 */
import { type Clock, GatewayError, isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { addDuration, parseDuration } from './durations.ts'
import { keyFields } from './key-fields.ts'

const duration = z.string().refine((text) => parseDuration(text) !== undefined, 'must be a duration, for example 30d')
const limit = z.int().nonnegative()

/** Every setting of `/key/generate` but those that belong to one key alone. */
export const keyDefaultsSchema = z
  .object({ ...keyFields, duration: duration.optional(), budget_duration: duration.optional() })
  .omit({ key_alias: true, blocked: true, spend: true, send_invite_email: true })

export const keyUpperBoundsSchema = z.object({
  max_budget: z.number().nonnegative().optional(),
  budget_duration: duration.optional(),
  duration: duration.optional(),
  max_parallel_requests: limit.optional(),
  tpm_limit: limit.optional(),
  rpm_limit: limit.optional(),
})

export type KeyDefaults = z.output<typeof keyDefaultsSchema>
export type KeyUpperBounds = z.output<typeof keyUpperBoundsSchema>

/** A request with what it leaves out. Anything but an object is left for the schema to refuse. */
export function withDefaults(body: unknown, ...layers: readonly (KeyDefaults | KeyUpperBounds)[]): unknown {
  if (!isJsonObject(body)) return body
  const filled: Record<string, unknown> = { ...body }
  for (const [field, value] of layers.flatMap((layer) => Object.entries(layer))) {
    if (value != null && isLeftOut(field, filled[field])) filled[field] = value
  }
  return filled
}

/** The field of `request` that is above its bound, if any. A field that is absent asks for nothing. */
export function fieldAboveBound(
  request: Readonly<Record<string, unknown>>,
  bounds: KeyUpperBounds,
  clock: Clock,
): { readonly field: string; readonly bound: string | number } | undefined {
  for (const [field, bound] of Object.entries(bounds)) {
    const value = request[field]
    if (bound !== undefined && value !== undefined && isAbove(value, bound, clock)) return { field, bound }
  }
  return undefined
}

/** Throws `INVALID_REQUEST` naming the field and its bound. */
export function refuseAboveBounds(request: object, bounds: KeyUpperBounds, clock: Clock): void {
  const above = fieldAboveBound({ ...request }, bounds, clock)
  if (above === undefined) return
  throw new GatewayError(
    'INVALID_REQUEST',
    `${above.field}: is over the limit of this gateway, ${above.bound} (upperbound_key_generate_params).`,
    { details: { field: above.field, bound: above.bound } },
  )
}

/** Clients send LiteLLM's own defaults along: no models and no metadata say nothing. */
function isLeftOut(field: string, value: unknown): boolean {
  if (value == null) return true
  if (field === 'models') return Array.isArray(value) && value.length === 0
  return field === 'metadata' && isJsonObject(value) && Object.keys(value).length === 0
}

/** What has no end is above every bound; what cannot be read is left for whoever reads it. */
function isAbove(value: unknown, bound: string | number, clock: Clock): boolean {
  if (value === null || value === '-1') return true
  if (typeof bound === 'number') return typeof value === 'number' && value > bound
  if (typeof value !== 'string') return false
  const [asked, allowed] = [parseDuration(value), parseDuration(bound)]
  if (asked === undefined || allowed === undefined) return false
  const now = clock.now()
  return (addDuration(now, asked) ?? Infinity) > (addDuration(now, allowed) ?? Infinity)
}
