import { isJsonObject, type JsonObject, type JsonValue, mapSubschemas } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { bothSchemas } from './merge-schemas.ts'

/**
 * The part of JSON Schema that Gemini takes (`parametersJsonSchema`); one word beyond it and the whole request is refused. What a model
 * can do with a constraint that is lost, it is told in the description. Needs a schema without references. Pure.
 */
export function toGeminiSubset(schema: JsonObject): JsonObject {
  const converted = convert(schema)
  return isJsonObject(converted) ? converted : {}
}

const keywords = new Set(
  `type format title description enum items prefixItems minItems maxItems minimum maximum anyOf properties
  additionalProperties required`.split(/\s+/),
)

const formats = new Set(['date-time', 'date', 'time', 'duration', 'float', 'double', 'int32', 'int64'])

/** What a description tells when the keyword is lost. */
const toldKeywords = ['format', 'pattern', 'minLength', 'maxLength', 'multipleOf', 'uniqueItems']

function convert(part: JsonValue): JsonValue {
  if (!isJsonObject(part)) return part
  const lost = lostConstraints(part)
  const { allOf, oneOf, anyOf, additionalProperties: others, ...own } = part
  const rest = isJsonObject(others) && Object.keys(others).length > 0 ? { ...own, additionalProperties: others } : own
  const merged = listOf(allOf)
    .filter(isJsonObject)
    .reduce<JsonObject>((all, one) => bothSchemas(one, all), rest)
  const alternatives = [...listOf(anyOf), ...listOf(oneOf)]
  const whole = withEnum(withBounds({ ...merged, ...(alternatives.length > 0 && { anyOf: alternatives }) }))
  const kept = Object.entries(mapSubschemas(whole, convertWithin)).filter(
    ([keyword, value]) => keywords.has(keyword) && (keyword !== 'format' || formats.has(textOf(value))),
  )
  return withDescription(withType(withKnownRequired(Object.fromEntries(kept))), lost)
}

/** A property that may never be there is none. */
function convertWithin(part: JsonValue): JsonValue | undefined {
  if (part === true) return anyValue
  return part === false ? undefined : convert(part)
}

function lostConstraints(schema: JsonObject): string[] {
  return toldKeywords.flatMap((keyword) => {
    const value = schema[keyword]
    if (value === undefined || (keyword === 'format' && formats.has(textOf(value)))) return []
    return [`${keyword}: ${typeof value === 'string' ? value : JSON.stringify(value)}`]
  })
}

function withDescription(schema: JsonObject, lost: readonly string[]): JsonObject {
  if (lost.length === 0) return schema
  const description = `${textOf(schema['description'])} [${lost.join(', ')}]`.trim()
  return { ...schema, description }
}

function withBounds({ exclusiveMinimum, exclusiveMaximum, ...rest }: JsonObject): JsonObject {
  return {
    ...(typeof exclusiveMinimum === 'number' && { minimum: exclusiveMinimum }),
    ...(typeof exclusiveMaximum === 'number' && { maximum: exclusiveMaximum }),
    ...rest,
  }
}

/** Choices are texts or numbers; others are told. */
function withEnum({ const: constant, enum: given, ...rest }: JsonObject): JsonObject {
  const values = constant === undefined ? listOf(given) : [constant]
  if (values.length === 0) return rest
  const choices = values.filter((value) => value !== null)
  const isPlain = ['string', 'number'].some((kind) => choices.every((value) => typeof value === kind))
  if (!isPlain || choices.length === 0) {
    const told = `One of: ${values.map((value) => JSON.stringify(value)).join(', ')}.`
    return { ...rest, description: `${textOf(rest['description'])} ${told}`.trim() }
  }
  const { type, ...others } = rest
  const chosen = {
    type: typeof choices[0] === 'string' ? 'string' : type === 'integer' ? type : 'number',
    enum: choices,
  }
  return choices.length < values.length ? { ...others, anyOf: [chosen, { type: 'null' }] } : { ...others, ...chosen }
}

/** Gemini wants a type everywhere, or alternatives. */
const anyValue: JsonObject = {
  anyOf: ['string', 'number', 'boolean', 'object'].map((type) => ({ type })),
}

function withType(schema: JsonObject): JsonObject {
  const { type, ...rest } = schema
  if (Array.isArray(type))
    return withOneType(
      type.filter((name) => typeof name === 'string'),
      rest,
    )
  if (type === 'array' && rest['items'] === undefined) return { ...schema, items: anyValue }
  if (type !== undefined || rest['anyOf'] !== undefined) return schema
  if (rest['properties'] !== undefined) return { ...rest, type: 'object' }
  return rest['items'] === undefined ? { ...rest, ...anyValue } : { ...rest, type: 'array' }
}

/** A type or nothing is said with both; several types are alternatives, each with what is about it. */
function withOneType(types: readonly string[], rest: JsonObject): JsonObject {
  const [first, ...others] = types.filter((type) => type !== 'null')
  const nullable = types.includes('null')
  if (first === undefined) return { ...rest, type: 'null' }
  if (others.length === 0) return { ...rest, type: nullable ? [first, 'null'] : first }
  const { title, description, anyOf: _anyOf, ...constraints } = rest
  const alternatives = [...types].map((type) => ({ type, ...aboutType(type, constraints) }))
  return {
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    anyOf: alternatives,
  }
}

const keywordsOfTypes: ReadonlyMap<string, readonly string[]> = new Map([
  ['string', ['format', 'enum']],
  ['number', ['minimum', 'maximum']],
  ['integer', ['minimum', 'maximum']],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems']],
  ['object', ['properties', 'additionalProperties', 'required']],
])

function aboutType(type: string, constraints: JsonObject): JsonObject {
  const about = keywordsOfTypes.get(type) ?? []
  return Object.fromEntries(Object.entries(constraints).filter(([keyword]) => about.includes(keyword)))
}

/** A required property that is not described is refused. */
function withKnownRequired({ required, ...schema }: JsonObject): JsonObject {
  const { properties } = schema
  const described = isJsonObject(properties) ? properties : {}
  const known = listOf(required).filter((name) => typeof name === 'string' && Object.hasOwn(described, name))
  return { ...schema, ...(known.length > 0 && { required: known }) }
}
