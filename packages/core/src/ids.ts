import { randomUUID } from 'node:crypto'
import { systemClock } from './clock.ts'

/** Makes an id of the given kind, for example `call_2c1f…`. A parameter wherever a test must know the ids. */
export type NewId = (prefix: string) => string

/**
 * UUID version 7 (RFC 9562 §5.7) without hyphens: 48 bits of milliseconds, the version, 74 random bits. Later ids sort
 * after earlier ones, so the ledger's indexes grow at one end. The random bits are those of Node's version 4, which takes
 * its entropy in large portions: an id is made several times per call.
 */
export const randomId: NewId = (prefix) => {
  const time = systemClock.now().toString(16).padStart(12, '0')
  return `${prefix}_${time}7${randomUUID().replaceAll('-', '').slice(13)}`
}
