import { GatewayError, nearestName } from '@toolgate/core'
import type { z } from 'zod'

/**
 * What a door's schema makes of a body. An unknown field is left out, unless it is close to a known one: then it is a
 * mistake, and dropping it silently would change what was asked for. Messages name fields, never values.
 */
export function parseBody<Schema extends z.ZodObject>(schema: Schema, body: object): z.output<Schema> {
  const known = Object.keys(schema.shape)
  for (const field of Object.keys(body)) {
    const meant = known.includes(field) ? undefined : nearestName(field, known)
    if (meant !== undefined && !(meant in body)) {
      throw invalid(field, `Unknown field "${field}". Did you mean "${meant}"?`)
    }
  }
  return readFields(schema, body)
}

/** The same for bodies whose other fields are somebody else's to judge. */
export function readFields<Schema extends z.ZodObject>(schema: Schema, body: object): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') ?? ''
  if (!(field in body)) throw invalid(field, `${field} is required in request body`, 'missing_parameter')
  throw invalid(field, `${field}: ${issue?.message}`)
}

function invalid(field: string, message: string, error?: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', message, { details: { field, ...(error !== undefined && { error }) } })
}
