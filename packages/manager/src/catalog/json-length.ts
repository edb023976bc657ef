import { isJsonObject, type JsonValue } from '@toolgate/core'

/** What a value costs beside its text, in characters. */
const perValue = 8

/** About how many characters a value comes to, as far as that is no more than `most`; beyond it, some number above it. */
export function lengthOf(value: JsonValue, most: number): number {
  if (typeof value === 'string') return value.length + perValue
  if (Array.isArray(value)) return lengthOfAll(value, most)
  return isJsonObject(value) ? lengthOfAll(Object.entries(value).flat(), most) : perValue
}

/** Nesting is bounded where messages are read. */
function lengthOfAll(values: readonly JsonValue[], most: number): number {
  let length = perValue
  for (const value of values) {
    if (length > most) break
    length += lengthOf(value, most - length)
  }
  return length
}
