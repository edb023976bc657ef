import { randomUUID } from 'node:crypto'

/** Makes an id of the given kind, for example `call_2c1f…`. A parameter wherever a test must know the ids. */
export type NewId = (prefix: string) => string

export const randomId: NewId = (prefix) => `${prefix}_${randomUUID().replaceAll('-', '')}`
