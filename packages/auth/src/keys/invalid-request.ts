import { firstMisspelt, GatewayError } from '@toolgate/core'
import { isStorable } from '@toolgate/db'
import type { z } from 'zod'

export interface Issue {
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly code: string
}

/**
 * `INVALID_REQUEST` with `details.field` (the first issue's path, dotted) and `details.issues` as `{loc, msg, type}`, the
 * shape of LiteLLM's validation errors. Messages name fields and never quote values: a value may be a key.
 */
export function invalidRequest(issues: readonly Issue[], where: 'body' | 'query' = 'body'): GatewayError {
  const [first] = issues
  const field = first?.path.map(String).join('.') ?? ''
  return new GatewayError('INVALID_REQUEST', `${field === '' ? where : field}: ${first?.message}`, {
    details: {
      field,
      issues: issues.map(({ path, message, code }) => ({
        loc: [where, ...path.map(String)],
        msg: message,
        type: code,
      })),
    },
  })
}

/** What the schema makes of `value`. Throws {@link invalidRequest}, also for texts that no store could hold or look up. */
export function parseRequest<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: 'body' | 'query' = 'body',
): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw invalidRequest(parsed.error.issues, where)
  if (isStorable(JSON.stringify(parsed.data))) return parsed.data
  throw invalidRequest(
    [{ path: [], message: 'A text holds a NUL character or half a character.', code: 'custom' }],
    where,
  )
}

export interface UnknownFieldsOptions {
  readonly known: readonly string[]
  /** Where in the request they stand. */
  readonly path?: readonly string[]
  readonly where?: 'body' | 'query'
}

/**
 * The fields that nobody knows. Throws {@link invalidRequest} where one is close to a known one: leaving it out would
 * silently change what was asked for.
 */
export function unknownFields(
  given: object,
  { known, path = [], where = 'body' }: UnknownFieldsOptions,
): readonly string[] {
  const misspelt = firstMisspelt(Object.keys(given), known)
  if (misspelt === undefined) return Object.keys(given).filter((field) => !known.includes(field))
  const what = where === 'body' ? 'field' : 'parameter'
  const message = `Unknown ${what}. Did you mean "${misspelt.meant}"?`
  throw invalidRequest([{ path: [...path, misspelt.key], message, code: 'extra_forbidden' }], where)
}
