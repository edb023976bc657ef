import { randomFillSync } from 'node:crypto'
import { systemClock } from './clock.ts'

/** Makes an id of the given kind, for example `call_2c1f…`. A parameter wherever a test must know the ids. */
export type NewId = (prefix: string) => string

/** Ids that one portion of entropy lasts for: taking it costs nearly the same whatever its size, and a call makes several. */
const idsPerPortion = 256
/** Two for what stands behind the version, of which twelve bits count, and eight that begin with the variant. */
const bytesPerId = 10
const portion = Buffer.alloc(idsPerPortion * bytesPerId)
let digits = ''
let used = 0
let lastMs = Number.NaN
let millisecond = ''

function takePortion(): void {
  randomFillSync(portion)
  for (let at = 2; at < portion.length; at += bytesPerId) portion[at] = 0x80 | ((portion[at] ?? 0) & 0x3f)
  digits = portion.toString('hex')
  used = 0
}

/**
 * UUID version 7 (RFC 9562 §5.7) without hyphens: 48 bits of milliseconds, the version, 74 random bits. Later ids sort
 * after earlier ones, so the ledger's indexes grow at one end.
 */
export const randomId: NewId = (prefix) => {
  if (used === digits.length) takePortion()
  const random = digits.slice(used + 1, used + bytesPerId * 2)
  used += bytesPerId * 2
  const now = systemClock.now()
  // A call makes several within one millisecond.
  if (now !== lastMs) millisecond = now.toString(16).padStart(12, '0')
  lastMs = now
  return `${prefix}_${millisecond}7${random}`
}
