import { isDeepStrictEqual } from 'node:util'
import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'

/** Two schemas that hold at once, as one. Where both speak of the same thing the later one is the more special. */
export function bothSchemas(earlier: JsonObject, later: JsonObject): JsonObject {
  const properties = mergeProperties(earlier, later, bothOf)
  const required = [...new Set([...listOf(earlier['required']), ...listOf(later['required'])])]
  const closed = [earlier, later].map(({ additionalProperties }) => additionalProperties)
  const { properties: _p, required: _r, additionalProperties: _a, ...rest } = { ...earlier, ...later }
  return {
    ...rest,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
    // Each branch of an `allOf` is closed to what the others add: taken together they would admit nothing.
    ...(isDeepStrictEqual(closed[0], closed[1]) && closed[0] !== undefined && { additionalProperties: closed[0] }),
  }
}

/** Alternatives as one schema that admits each of them: `required` is what all of them want. */
export function eitherSchema(alternatives: readonly JsonObject[]): JsonObject {
  const properties = alternatives.reduce<JsonObject>(
    (merged, { properties: added }) => mergeProperties({ properties: merged }, { properties: added ?? {} }, eitherOf),
    {},
  )
  const [first, ...others] = alternatives.map(({ required }) => listOf(required))
  const required = (first ?? []).filter((name) => others.every((names) => names.includes(name)))
  return {
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  }
}

/** Which arguments belong together, for a model that no longer sees the alternatives; undefined where it makes no difference. */
export function describeAlternatives(alternatives: readonly JsonObject[]): string | undefined {
  const sets = alternatives.map(({ required }) => listOf(required).map(textOf).join(', '))
  if (new Set(sets).size < 2) return undefined
  const named = sets.filter((names) => names !== '').map((names) => `(${names})`)
  return `Arguments that belong together: ${[...new Set(named)].join(' or ')}.`
}

function mergeProperties(
  earlier: JsonObject,
  later: JsonObject,
  merge: (left: JsonValue, right: JsonValue) => JsonValue,
): JsonObject {
  const merged: JsonObject = isJsonObject(earlier['properties']) ? { ...earlier['properties'] } : {}
  const added = isJsonObject(later['properties']) ? later['properties'] : {}
  for (const [name, part] of Object.entries(added)) {
    const known = merged[name]
    merged[name] = known === undefined || isDeepStrictEqual(known, part) ? part : merge(known, part)
  }
  return merged
}

function bothOf(left: JsonValue, right: JsonValue): JsonValue {
  return isJsonObject(left) && isJsonObject(right) ? bothSchemas(left, right) : right
}

function eitherOf(left: JsonValue, right: JsonValue): JsonValue {
  const values = [left, right].map(literals)
  const [first, second] = values
  if (first !== undefined && second !== undefined) {
    const { const: _const, ...rest } = isJsonObject(left) ? left : {}
    return { ...rest, enum: [...new Set([...first, ...second])] }
  }
  const known = isJsonObject(left) && Object.keys(left).join() === 'anyOf' ? listOf(left['anyOf']) : [left]
  return known.some((one) => isDeepStrictEqual(one, right)) ? left : { anyOf: [...known, right] }
}

/** The discriminator of a union: what tells its alternatives apart. */
function literals(part: JsonValue): readonly JsonValue[] | undefined {
  if (!isJsonObject(part)) return undefined
  if (part['const'] !== undefined) return [part['const']]
  return Array.isArray(part['enum']) ? part['enum'] : undefined
}
