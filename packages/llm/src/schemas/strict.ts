import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'

/** OpenAI's limits of one function. The arguments themselves are the first level, as is each definition. */
const maxLevels = 10
const maxProperties = 5_000
const maxChoices = 1_000

/** What OpenAI takes in a function with `strict: true`, which it refuses for any other keyword. */
const keywords = new Set(
  `type title description enum const anyOf $ref $defs definitions items properties required additionalProperties
  pattern format minLength maxLength multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems
  maxItems`.split(/\s+/),
)
const formats = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'])

interface Counted {
  properties: number
  choices: number
}

/**
 * OpenAI takes it of a function with `strict: true`: objects are closed and want all of their properties, every value says what it
 * is, in OpenAI's keywords and within its limits. Who writes strict functions writes them so. Needs sound references.
 */
export function isStrict(schema: JsonObject): boolean {
  return isTaken(schema, 1, { properties: 0, choices: 0 })
}

function isTaken(part: JsonValue, level: number, counted: Counted): boolean {
  if (!isJsonObject(part) || level > maxLevels) return false
  if (!(hasKnownWords(part) && saysWhatItIs(part) && isClosed(part))) return false
  counted.properties += namesOf(part).length
  counted.choices += listOf(part['enum']).length
  if (counted.properties > maxProperties || counted.choices > maxChoices) return false
  const { $defs, definitions, anyOf, properties, items } = part
  const within: [parts: readonly JsonValue[], level: number][] = [
    [[...valuesOf($defs), ...valuesOf(definitions)], 1],
    [listOf(anyOf), level],
    [[...valuesOf(properties), ...(items === undefined ? [] : [items])], level + 1],
  ]
  return within.every(([parts, at]) => parts.every((one) => isTaken(one, at, counted)))
}

/** Nothing may stand beside a reference, not even words about it. */
function hasKnownWords(part: JsonObject): boolean {
  const { $ref, format } = part
  const said = Object.keys(part)
  if ($ref !== undefined && said.length > 1) return false
  return said.every((keyword) => keywords.has(keyword)) && (format === undefined || formats.has(textOf(format)))
}

function saysWhatItIs({ type, properties, items, $ref, anyOf, enum: choices, const: constant }: JsonObject): boolean {
  if ([type, properties, $ref, anyOf, choices, constant].every((said) => said === undefined)) return false
  return items !== undefined || ![type].flat().includes('array')
}

function isClosed(part: JsonObject): boolean {
  const { type, properties, required, additionalProperties } = part
  if (properties === undefined && ![type].flat().includes('object')) return true
  const wanted = new Set(listOf(required))
  return additionalProperties === false && namesOf(part).every((name) => wanted.has(name))
}

function namesOf({ properties }: JsonObject): string[] {
  return isJsonObject(properties) ? Object.keys(properties) : []
}

function valuesOf(value: JsonValue | undefined): JsonValue[] {
  return isJsonObject(value) ? Object.values(value) : []
}
