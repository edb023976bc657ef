import { isJsonObject, type JsonObject, type JsonValue, valueAtPointer } from '@toolgate/core'

/** References to references that are followed. */
const maxHops = 16

/** A part of the document that cannot be had; the message completes "it …" and quotes no more than a reference. */
export class Unresolvable extends Error {
  override readonly name = 'Unresolvable'
}

/** The value at a JSON pointer (RFC 6901) in the fragment of a reference. Only what the document itself holds. */
export function lookUp(document: JsonObject, reference: string): JsonValue {
  if (!reference.startsWith('#')) throw new Unresolvable('refers to another document, which is not fetched')
  const value = valueAtPointer(document, reference)
  if (value === undefined) throw new Unresolvable('refers to something that the document does not hold')
  return value
}

/** An object of the document, behind however many references; `undefined` where it is none. */
export function resolved(document: JsonObject, node: unknown): JsonObject | undefined {
  let value = node
  for (let hop = 0; hop < maxHops; hop += 1) {
    if (!isJsonObject(value)) return undefined
    const { $ref: reference } = value
    if (typeof reference !== 'string') return value
    value = lookUp(document, reference)
  }
  throw new Unresolvable('holds a reference that leads back to itself')
}
