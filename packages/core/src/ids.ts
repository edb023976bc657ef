import { v7 } from 'uuid'

/** Makes an id of the given kind, for example `call_2c1f…`. A parameter wherever a test must know the ids. */
export type NewId = (prefix: string) => string

/**
 * UUID version 7 (RFC 9562 §5.7): later ids sort after earlier ones, so the ledger's indexes grow at one end, and the last
 * 62 bits are random, so that nobody guesses one.
 */
export const randomId: NewId = (prefix) => `${prefix}_${v7().replaceAll('-', '')}`
