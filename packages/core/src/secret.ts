import { timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'
import { z } from 'zod'

const redacted = '[redacted]'

/**
 * A value that must not be printed. Every way of turning it into text (template, JSON, `console`, `util.inspect`)
 * yields `[redacted]`; `reveal()` is the one way to the value, and each caller of it is a place to review.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself, for the party it belongs to. */
  reveal(): string {
    return this.#value
  }

  /** Compares in constant time; only the lengths may be learnt from the duration. */
  equals(other: string): boolean {
    const mine = Buffer.from(this.#value)
    const theirs = Buffer.from(other)
    return mine.length === theirs.length && timingSafeEqual(mine, theirs)
  }

  toString(): string {
    return redacted
  }

  toJSON(): string {
    return redacted
  }

  [inspect.custom](): string {
    return redacted
  }
}

/** A configuration string that becomes a {@link Secret} as soon as it is parsed. */
export const secretSchema = z
  .string()
  .min(1)
  .transform((value) => new Secret(value))
