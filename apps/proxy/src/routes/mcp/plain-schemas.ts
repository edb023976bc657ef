import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/**
 * A tool for a list of many servers' tools. Clients on the maintenance line of the SDK drop a whole list where one property of one
 * tool has `true` or `false` for a schema; JSON Schema has an object for each that means the same.
 */
export function withPlainSchemas(definition: JsonObject): JsonObject {
  const plain = { ...definition }
  for (const field of ['inputSchema', 'outputSchema']) {
    const schema = definition[field]
    if (!isJsonObject(schema)) continue
    const { properties } = schema
    if (!isJsonObject(properties) || !Object.values(properties).some(isBoolean)) continue
    const written = Object.entries(properties).map(([name, property]) => [name, asObject(property)] as const)
    plain[field] = { ...schema, properties: Object.fromEntries(written) }
  }
  return plain
}

function asObject(schema: JsonValue): JsonValue {
  if (!isBoolean(schema)) return schema
  return schema ? {} : { not: {} }
}

function isBoolean(value: JsonValue): value is boolean {
  return typeof value === 'boolean'
}
