/**
 * The kinds of single values that several sections share. Numbers and booleans may also be written as text: that is all an
 * environment variable can hold.
 */
import { Secret, secretSchema } from '@toolgate/core'
import { z } from 'zod'

const decimal = /^\d+(\.\d+)?$/

/** Zero or more; `kind` completes the message (`must be a number of seconds`). */
export function amount(kind: string) {
  const error = `must be ${kind}`
  return z.union([z.number().nonnegative(), z.string().trim().regex(decimal).transform(Number)], { error })
}

/** Seconds as LiteLLM writes durations, as milliseconds. Zero would mean "never wait", so it is refused. */
export const seconds = amount('a number of seconds')
  .refine((value) => value > 0, { error: 'must be more than 0 seconds' })
  .transform((value) => Math.round(value * 1000))

const longestTimeoutSeconds = 86_400

/** How long something is waited for. More than a day is a mistake, and more than a timer may hold. */
export const timeout = seconds.refine((ms) => ms <= longestTimeoutSeconds * 1000, {
  error: `must be at most ${longestTimeoutSeconds} seconds`,
})

export const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] })], {
  error: 'must be true or false',
})

export const text = z.string()
export const names = z.array(z.string().min(1))
export const secrets = z.array(secretSchema)
/** What the gateway passes on or shows as it stands. */
export const freeForm = z.record(z.string(), z.unknown())

/** What a header can carry (RFC 9110 §5.5): a line break in it would begin another one. */
export const headerValue = z
  .string()
  .min(1)
  .regex(/^[\t\x20-\x7e\x80-\xff]+$/, { error: 'holds a line break or another character that no header can carry' })
  .transform((value) => new Secret(value))

/** A header field name, lower-cased (RFC 9110 §5.1: names are case-insensitive). */
export const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, { error: 'must be the name of a header' })
  .transform((name) => name.toLowerCase())
