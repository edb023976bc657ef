import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { decodeHeaderValue, encodeHeaderValue } from './header-values.ts'

/** An argument that also travels as a header (spec 2026-07-28, Streamable HTTP, `x-mcp-header`). */
export interface ParameterHeader {
  /** Lower-case, with its prefix. */
  readonly header: string
  /** Keys that lead to the argument. */
  readonly path: readonly string[]
}

/** What a schema declares, or why the tool must not be used. */
export type DeclaredHeaders = { readonly headers: readonly ParameterHeader[] } | { readonly fault: string }

const annotation = 'x-mcp-header'
/** RFC 9110 §5.1. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const headerTypes = new Set<unknown>(['string', 'integer', 'boolean'])

/** Keywords that hold one schema or a list of them. */
const schemaKeywords = [
  'items',
  'prefixItems',
  'contains',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
] as const

/** Keywords that hold schemas by name. */
const schemaMapKeywords = ['patternProperties', 'dependentSchemas', '$defs', 'definitions'] as const

/**
 * The headers that an `inputSchema` declares. An argument can have one only where a chain of `properties` leads to it: a
 * declaration anywhere else, of another type or of a name twice makes the whole tool invalid.
 */
export function declaredHeaders(inputSchema: JsonValue | undefined): DeclaredHeaders {
  const found = new Map<string, ParameterHeader>()
  const fault = visit(inputSchema, [], found)
  return fault === undefined ? { headers: [...found.values()] } : { fault }
}

/** `path` is undefined where no chain of `properties` leads there. Nesting is bounded where messages are read. */
function visit(
  schema: JsonValue | undefined,
  path: readonly string[] | undefined,
  found: Map<string, ParameterHeader>,
): string | undefined {
  if (!isJsonObject(schema)) return undefined
  if (Object.hasOwn(schema, annotation)) {
    const fault = declare(schema, path, found)
    if (fault !== undefined) return fault
  }
  for (const [name, property] of Object.entries(valuesOf(schema['properties']))) {
    const fault = visit(property, path && [...path, name], found)
    if (fault !== undefined) return fault
  }
  const elsewhere = [
    ...schemaKeywords.flatMap((keyword) => schema[keyword] ?? []),
    ...schemaMapKeywords.flatMap((keyword) => Object.values(valuesOf(schema[keyword]))),
  ]
  for (const inner of elsewhere) {
    const fault = visit(inner, undefined, found)
    if (fault !== undefined) return fault
  }
  return undefined
}

function valuesOf(schemas: JsonValue | undefined): JsonObject {
  return isJsonObject(schemas) ? schemas : {}
}

function declare(
  schema: JsonObject,
  path: readonly string[] | undefined,
  found: Map<string, ParameterHeader>,
): string | undefined {
  const name = schema[annotation]
  if (typeof name !== 'string' || !token.test(name)) return `"${annotation}" must be the name of a header.`
  if (path === undefined || path.length === 0) return `"${annotation}: ${name}" stands where no argument can be found.`
  if (!headerTypes.has(schema['type'])) return `"${annotation}: ${name}" is not on a string, an integer or a boolean.`
  const header = `mcp-param-${name.toLowerCase()}`
  if (found.has(header)) return `"${annotation}: ${name}" is declared twice.`
  found.set(header, { header, path })
  return undefined
}

/** The headers that go with these arguments; what is absent or null has none. */
export function headersFor(declared: readonly ParameterHeader[], args: JsonValue | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const { header, path } of declared) {
    const text = textAt(args, path)
    if (text !== undefined) headers[header] = encodeHeaderValue(text)
  }
  return headers
}

/** The first header that does not say what the arguments say; undefined where all do. One without an argument is ignored. */
export function disagreement(
  declared: readonly ParameterHeader[],
  args: JsonValue | undefined,
  headerOf: (name: string) => string | undefined,
): string | undefined {
  const differs = ({ header, path }: ParameterHeader) => {
    const expected = textAt(args, path)
    if (expected === undefined) return false
    const sent = headerOf(header)
    const said = sent === undefined ? undefined : decodeHeaderValue(sent)
    return said !== expected && !(said !== undefined && isSameNumber(said, valueAt(args, path)))
  }
  return declared.find(differs)?.header
}

/** `42.0` and `42` are one number. */
function isSameNumber(said: string, value: JsonValue | undefined): boolean {
  return typeof value === 'number' && /^-?\d+(?:\.\d+)?$/.test(said) && Number(said) === value
}

function textAt(args: JsonValue | undefined, path: readonly string[]): string | undefined {
  const value = valueAt(args, path)
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value))) return String(value)
  return undefined
}

function valueAt(args: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>((value, key) => {
    return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
  }, args)
}
