import { isJsonObject, type JsonObject, type JsonValue, type ProtocolEra } from '@toolgate/core'

/**
 * A tool for a list of many servers' tools, in words that every client understands. Clients on the maintenance line of the
 * SDK drop a whole list where one tool has a field that is `null`, a property with `true` or `false` for a schema, or, in
 * their era, an output that is no object; JSON Schema has an object for each boolean that means the same.
 */
export function plainTool(definition: JsonObject, era: ProtocolEra): JsonObject {
  const plain = withInputSchema(definition)
  const fields = Object.entries(plain).flatMap(([field, value]): [string, JsonValue][] => {
    if (value === null || (field === 'outputSchema' && !isUsableOutput(value, era))) return []
    return [[field, field === 'inputSchema' || field === 'outputSchema' ? plainSchema(value) : value]]
  })
  return Object.fromEntries(fields)
}

/** The schema is required, and a server that leaves it out wants no arguments in particular. */
export function withInputSchema(definition: JsonObject): JsonObject {
  const { inputSchema } = definition
  return inputSchema === undefined || inputSchema === null
    ? { ...definition, inputSchema: { type: 'object' } }
    : definition
}

/** Up to 2025-11-25 structured results are objects. */
function isUsableOutput(schema: JsonValue, era: ProtocolEra): boolean {
  return era === 'modern' || (isJsonObject(schema) && schema['type'] === 'object')
}

function plainSchema(schema: JsonValue): JsonValue {
  if (!isJsonObject(schema)) return schema
  const { properties, required } = schema
  const booleans = isJsonObject(properties) && Object.values(properties).some(isBoolean)
  if (!booleans && properties !== null && required !== null) return schema
  const { properties: _properties, required: _required, ...rest } = schema
  return {
    ...rest,
    ...(isJsonObject(properties) && { properties: plainProperties(properties) }),
    ...(required !== undefined && required !== null && { required }),
  }
}

function plainProperties(properties: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, asObject(property)] as const))
}

function asObject(schema: JsonValue): JsonValue {
  if (!isBoolean(schema)) return schema
  return schema ? {} : { not: {} }
}

function isBoolean(value: JsonValue): value is boolean {
  return typeof value === 'boolean'
}
