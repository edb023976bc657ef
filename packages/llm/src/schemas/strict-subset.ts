import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { bothSchemas } from './merge-schemas.ts'

/**
 * The part of JSON Schema that OpenAI takes of a function with `strict: true`: objects are closed, all of their properties are required, and
 * one that may be left out may be null in its place. Undefined where a schema cannot be said so: a map, a value of any kind, a tuple, or
 * more than OpenAI takes. What is lost of constraints is told in descriptions. Needs an object at the top, and sound references. Pure.
 */
export function toStrictSubset(schema: JsonObject): JsonObject | undefined {
  const written: Written = { properties: 0, choices: 0 }
  try {
    const strict = convertObject(schema, written, 1)
    const definitions = Object.entries({ ...objectOf(schema['$defs']), ...objectOf(schema['definitions']) })
    if (definitions.length === 0) return strict
    const converted = definitions.map(([name, part]): [string, JsonValue] => [name, convert(part, written, 1)])
    return { ...strict, $defs: Object.fromEntries(converted) }
  } catch (error) {
    // Found in the middle of a schema: as a whole it is not possible.
    if (error instanceof NotStrict) return undefined
    throw error
  }
}

class NotStrict extends Error {}

/** OpenAI's limits. */
const maxProperties = 5_000
const maxDepth = 10
const maxChoices = 1_000

interface Written {
  properties: number
  choices: number
}

const kept = new Set(
  `type title description enum const items format pattern multipleOf minimum maximum exclusiveMinimum exclusiveMaximum
  minItems maxItems`.split(/\s+/),
)
const formats = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'])
const told = ['default', 'format', 'minLength', 'maxLength', 'uniqueItems', 'minProperties', 'maxProperties']

function convert(part: JsonValue, written: Written, depth: number): JsonObject {
  if (!isJsonObject(part) || depth > maxDepth) throw new NotStrict()
  if (typeof part['$ref'] === 'string') return { $ref: part['$ref'].replace(/^#\/definitions\//, '#/$defs/') }
  const { allOf, oneOf, anyOf, ...own } = part
  const whole = listOf(allOf).reduce<JsonObject>((all, one) => bothSchemas(plain(one), all), own)
  const alternatives = [...listOf(anyOf), ...listOf(oneOf)]
  if (alternatives.length > 0) {
    return { ...described(whole), anyOf: alternatives.map((one) => convert(within(whole, one), written, depth)) }
  }
  const types = Array.isArray(whole['type']) ? whole['type'] : [whole['type']]
  if (types.includes('object') || (whole['type'] === undefined && whole['properties'] !== undefined)) {
    return convertObject(whole, written, depth)
  }
  written.choices += listOf(whole['enum']).length
  if (written.choices > maxChoices) throw new NotStrict()
  if (whole['type'] === undefined && whole['enum'] === undefined && whole['const'] === undefined) throw new NotStrict()
  if (whole['prefixItems'] !== undefined) throw new NotStrict()
  const { items } = whole
  return {
    ...constraintsOf(whole),
    ...(types.includes('array') && { items: convert(items ?? null, written, depth + 1) }),
  }
}

/** A part that refers elsewhere cannot be joined with what stands beside it. */
function plain(part: JsonValue): JsonObject {
  if (!isJsonObject(part) || part['$ref'] !== undefined) throw new NotStrict()
  return part
}

/** What holds for all alternatives holds for each. */
function within({ title: _title, description: _description, ...whole }: JsonObject, part: JsonValue): JsonValue {
  return Object.keys(whole).length === 0 || !isJsonObject(part) ? part : bothSchemas(whole, plain(part))
}

function convertObject(schema: JsonObject, written: Written, depth: number): JsonObject {
  const { properties, required, additionalProperties: others, patternProperties, type } = schema
  const names = Object.keys(objectOf(properties))
  const isMap = isJsonObject(others) || patternProperties !== undefined || (names.length === 0 && others !== false)
  // At the top, no properties are no arguments.
  if (isMap && !(depth === 1 && names.length === 0 && !isJsonObject(others) && patternProperties === undefined)) {
    throw new NotStrict()
  }
  written.properties += names.length
  if (written.properties > maxProperties) throw new NotStrict()
  const wanted = new Set(listOf(required))
  const converted = Object.entries(objectOf(properties)).map(([name, part]): [string, JsonValue] => {
    const strict = convert(part, written, depth + 1)
    return [name, wanted.has(name) ? strict : orNull(strict)]
  })
  return {
    ...described(schema),
    type: type ?? 'object',
    properties: Object.fromEntries(converted),
    required: names,
    additionalProperties: false,
  }
}

function orNull(schema: JsonObject): JsonObject {
  const { type, anyOf, enum: choices, const: constant, description, ...rest } = schema
  const words = description === undefined ? {} : { description }
  if (anyOf !== undefined) {
    const alternatives = listOf(anyOf)
    const admits = alternatives.some((one) => isJsonObject(one) && admitsNull(one))
    return { ...schema, anyOf: admits ? alternatives : [...alternatives, { type: 'null' }] }
  }
  if (admitsNull(schema)) return schema
  if (type === undefined || constant !== undefined || typeof type !== 'string') {
    const { description: _description, ...bare } = schema
    return { ...words, anyOf: [bare, { type: 'null' }] }
  }
  return {
    ...rest,
    ...words,
    type: [type, 'null'],
    ...(choices !== undefined && { enum: [...listOf(choices), null] }),
  }
}

function admitsNull({ type, enum: choices, const: constant }: JsonObject): boolean {
  const isType = type === undefined ? undefined : [type].flat().includes('null')
  if (choices !== undefined) return listOf(choices).includes(null) && isType !== false
  return constant === undefined ? isType === true : constant === null
}

function constraintsOf(schema: JsonObject): JsonObject {
  const entries = Object.entries({ ...schema, ...described(schema) }).filter(
    ([keyword, value]) =>
      kept.has(keyword) && keyword !== 'items' && (keyword !== 'format' || formats.has(textOf(value))),
  )
  return Object.fromEntries(entries)
}

/** Its words, with what is lost. */
function described(schema: JsonObject): JsonObject {
  const { title, description } = schema
  const lost = told.flatMap((keyword) => {
    const value = schema[keyword]
    if (value === undefined || (keyword === 'format' && formats.has(textOf(value)))) return []
    return [`${keyword}: ${typeof value === 'string' ? value : JSON.stringify(value)}`]
  })
  const words = [textOf(description), ...(lost.length > 0 ? [`[${lost.join(', ')}]`] : [])].filter(
    (text) => text !== '',
  )
  return {
    ...(title !== undefined && { title }),
    ...(words.length > 0 && { description: words.join(' ') }),
  }
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {}
}
