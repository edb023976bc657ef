import { firstMisspelt, GatewayError } from '@toolgate/core'
import type { z } from 'zod'

/**
 * What a door's schema makes of a body. An unknown field is left out, unless it is close to a known one: then it is a
 * mistake, and dropping it silently would change what was asked for. Messages name fields, never values.
 */
export function parseBody<Schema extends z.ZodObject>(schema: Schema, body: object): z.output<Schema> {
  const unknown = Object.keys(body).filter((field) => !(field in schema.shape))
  if (unknown.length > 0) refuseMisspelt(unknown, schema, body)
  return readFields(schema, body)
}

function refuseMisspelt(unknown: readonly string[], { shape }: z.ZodObject, body: object): void {
  const absent = Object.keys(shape).filter((field) => !(field in body))
  const misspelt = firstMisspelt(unknown, absent)
  if (misspelt === undefined) return
  throw invalid(misspelt.key, `Unknown field "${misspelt.key}". Did you mean "${misspelt.meant}"?`)
}

/** The same for bodies whose other fields are somebody else's to judge. */
export function readFields<Schema extends z.ZodObject>(schema: Schema, body: object): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.map(String) ?? []
  const field = path.join('.')
  if (valueAt(body, path) === undefined)
    throw invalid(field, `${field} is required in request body`, 'missing_parameter')
  throw invalid(field, `${field}: ${issue?.message}`)
}

function valueAt(body: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined),
    body,
  )
}

function invalid(field: string, message: string, error?: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', message, { details: { field, ...(error !== undefined && { error }) } })
}
