import { isJsonObject, type JsonObject, type JsonValue } from './json-rpc.ts'

/**
 * Where schemas stand within a schema, in every draft from 4 to 2020-12, and how one of its own parts is found. It judges
 * no schema and follows no reference to another document.
 */

/** Keywords whose value is a map of schemas; the keys are names and no keywords. */
export const schemaMaps: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
])
/** Keywords whose value is a list of schemas. */
export const schemaLists: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
/** Keywords whose value is one schema; `items` is a list of them in older drafts. */
export const schemaParts: ReadonlySet<string> = new Set(
  `additionalProperties additionalItems items not if then else contains propertyNames unevaluatedProperties
  unevaluatedItems contentSchema`.split(/\s+/),
)

/** The schema with each schema directly within it replaced; undefined takes it out. Data (`enum`, `default`, …) is not looked into. */
export function mapSubschemas(schema: JsonObject, map: (part: JsonValue) => JsonValue | undefined): JsonObject {
  const entries = Object.entries(schema).flatMap(([keyword, value]): [string, JsonValue][] => {
    const mapped = mapKeyword(keyword, value, map)
    return mapped === undefined ? [] : [[keyword, mapped]]
  })
  return Object.fromEntries(entries)
}

function mapKeyword(
  keyword: string,
  value: JsonValue,
  map: (part: JsonValue) => JsonValue | undefined,
): JsonValue | undefined {
  if (schemaMaps.has(keyword) && isJsonObject(value)) {
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, part]) => {
        const mapped = map(part)
        return mapped === undefined ? [] : [[name, mapped]]
      }),
    )
  }
  if (schemaLists.has(keyword) || (schemaParts.has(keyword) && Array.isArray(value))) {
    return Array.isArray(value) ? value.flatMap((part) => map(part) ?? []) : value
  }
  return schemaParts.has(keyword) ? map(value) : value
}

/** The value at a JSON pointer (RFC 6901) of a reference's fragment, `#/…`; undefined where the document holds none. */
export function valueAtPointer(document: JsonValue, fragment: string): JsonValue | undefined {
  let value: JsonValue | undefined = document
  for (const token of fragment.slice(1).split('/').slice(1)) value = childOf(value, unescaped(token))
  return value
}

function childOf(value: JsonValue | undefined, key: string): JsonValue | undefined {
  if (Array.isArray(value)) return /^\d+$/.test(key) ? value[Number(key)] : undefined
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

function unescaped(token: string): string {
  try {
    return decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    // A lone percent sign: it is what it says.
    return token
  }
}
