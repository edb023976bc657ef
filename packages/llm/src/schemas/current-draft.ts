import { isJsonObject, type JsonObject, type JsonValue, mapSubschemas, schemaLists, schemaMaps } from '@toolgate/core'
import { listOf } from '../json-fields.ts'

/** Schemas within schemas; a deeper one admits anything. */
const maxDepth = 64

/** The same schema in the words of JSON Schema 2020-12; what is a schema in no draft is left out. Pure. */
export function toCurrentDraft(schema: JsonObject): JsonObject {
  const converted = convert(schema, 0)
  return isJsonObject(converted) ? converted : {}
}

function convert(part: JsonValue, depth: number): JsonValue {
  if (typeof part === 'boolean') return part
  if (!isJsonObject(part) || depth > maxDepth) return {}
  const within = mapSubschemas(part, (inner) => convert(inner, depth + 1))
  return withItems(withTuple(withBounds(withTypes(wellFormed(within)))))
}

/** Of older drafts and of other languages; a base address would give references another meaning. */
const dropped = new Set(['$schema', '$id', 'id', '$comment', '$vocabulary', 'dependencies', 'example', 'xml'])
const texts = new Set(['description', 'title', 'format', '$ref', '$anchor', '$dynamicRef', '$dynamicAnchor'])
const counts = new Set(
  `minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains minimum maximum
  multipleOf`.split(/\s+/),
)

function wellFormed(schema: JsonObject): JsonObject {
  const entries = Object.entries(schema).flatMap(([keyword, value]): [string, JsonValue][] => {
    const mended = dropped.has(keyword) ? undefined : mend(keyword, value)
    return mended === undefined ? [] : [[keyword, mended]]
  })
  return Object.fromEntries(entries)
}

function mend(keyword: string, value: JsonValue): JsonValue | undefined {
  if (texts.has(keyword)) return typeof value === 'string' ? value : undefined
  if (counts.has(keyword)) return typeof value === 'number' ? value : undefined
  if (schemaMaps.has(keyword)) return isJsonObject(value) ? value : undefined
  if (schemaLists.has(keyword) || keyword === 'enum') return listOf(value).length > 0 ? value : undefined
  if (keyword === 'pattern') return isPattern(value) ? value : undefined
  if (keyword !== 'required') return value
  // Draft 3 says it of the property itself.
  const names = listOf(value).filter((name) => typeof name === 'string')
  return names.length > 0 ? [...new Set(names)] : undefined
}

function isPattern(value: JsonValue): boolean {
  if (typeof value !== 'string') return false
  try {
    return new RegExp(value, 'u').unicode
  } catch {
    // Written for another language: providers refuse the whole request for it.
    return false
  }
}

const types = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])

/** Types as servers in other languages name them. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['str', 'string'],
  ['text', 'string'],
  ['date', 'string'],
  ['datetime', 'string'],
  ['file', 'string'],
  ['int', 'integer'],
  ['long', 'integer'],
  ['float', 'number'],
  ['double', 'number'],
  ['bool', 'boolean'],
  ['dict', 'object'],
  ['map', 'object'],
  ['list', 'array'],
  ['none', 'null'],
])

/** `any`, or a type that nobody knows, is no constraint. */
function withTypes({ type, nullable, ...rest }: JsonObject): JsonObject {
  const named = Array.isArray(type) ? type : [type]
  const known = named.flatMap((name) => {
    if (typeof name !== 'string') return []
    const lower = name.toLowerCase()
    const one = types.has(lower) ? lower : otherNames.get(lower)
    return one === undefined ? [] : [one]
  })
  if (known.length < named.length) return rest
  const distinct = [...new Set(nullable === true ? [...known, 'null'] : known)]
  return { type: distinct.length === 1 ? (distinct[0] ?? 'object') : distinct, ...rest }
}

/** Draft 4 says with a boolean that a bound is exclusive. */
function withBounds({ exclusiveMinimum, exclusiveMaximum, ...rest }: JsonObject): JsonObject {
  const { minimum, maximum, ...others } = rest
  return {
    ...others,
    ...bound({ inclusive: 'minimum', exclusive: 'exclusiveMinimum' }, minimum, exclusiveMinimum),
    ...bound({ inclusive: 'maximum', exclusive: 'exclusiveMaximum' }, maximum, exclusiveMaximum),
  }
}

interface BoundKeywords {
  readonly inclusive: string
  readonly exclusive: string
}

function bound(
  { inclusive, exclusive }: BoundKeywords,
  limit: JsonValue | undefined,
  excluded: JsonValue | undefined,
): JsonObject {
  if (excluded === true) return limit === undefined ? {} : { [exclusive]: limit }
  return {
    ...(limit !== undefined && { [inclusive]: limit }),
    ...(typeof excluded === 'number' && { [exclusive]: excluded }),
  }
}

/** Older drafts write a tuple as a list of `items`. */
function withTuple({ additionalItems, ...schema }: JsonObject): JsonObject {
  const { items, ...rest } = schema
  if (!Array.isArray(items)) return schema
  return {
    ...rest,
    ...(items.length > 0 && { prefixItems: items }),
    ...(additionalItems !== undefined && { items: additionalItems }),
  }
}

/** The same to JSON Schema; several providers refuse an array that does not say so. */
function withItems(schema: JsonObject): JsonObject {
  const { type, items } = schema
  const isArray = type === 'array' || (Array.isArray(type) && type.includes('array'))
  return isArray && items === undefined ? { ...schema, items: {} } : schema
}
