import { isJsonObject, type JsonObject, type JsonValue, type ProtocolEra } from '@toolgate/core'
import { declaredHeaders } from '../modern/parameter-headers.ts'

/** Fields that may be absent, and what they are where they are there. `null` is taken for absent: widespread servers write it. */
const optional: readonly (readonly [field: string, what: string, holds: (value: JsonValue) => boolean])[] = [
  ['title', 'text', isText],
  ['description', 'text', isText],
  ['annotations', 'an object', isJsonObject],
  ['execution', 'an object', isJsonObject],
  ['_meta', 'an object', isJsonObject],
  ['icons', 'a list', Array.isArray],
  ['outputSchema', 'a JSON Schema', isJsonObject],
]

/**
 * Why no client can use a tool as its server describes it: SDKs refuse the whole list for one such tool. `era`: what the
 * server speaks, because what is invalid in one era has no meaning in the other.
 */
export function toolFault(tool: JsonObject, era: ProtocolEra): string | undefined {
  const { inputSchema } = tool
  if (!takesAnObject(inputSchema)) return '"inputSchema" is not a JSON Schema with "type": "object".'
  const wrong = optional.find(([field, , holds]) => !isAbsent(tool[field]) && !holds(tool[field] ?? null))
  if (wrong !== undefined) return `"${wrong[0]}" is not ${wrong[1]}.`
  const declared = era === 'modern' ? declaredHeaders(inputSchema) : undefined
  return declared !== undefined && 'fault' in declared ? declared.fault : undefined
}

/** Spec 2025-11-25, Tools: arguments are an object. A schema that is absent says nothing against that. */
function takesAnObject(schema: JsonValue | undefined): boolean {
  if (isAbsent(schema)) return true
  if (!isJsonObject(schema) || schema['type'] !== 'object') return false
  const { properties, required } = schema
  if (!isAbsent(properties) && !areSchemas(properties)) return false
  return isAbsent(required) || (Array.isArray(required) && required.every(isText))
}

function areSchemas(properties: JsonValue | undefined): boolean {
  return (
    isJsonObject(properties) &&
    Object.values(properties).every((schema) => isJsonObject(schema) || typeof schema === 'boolean')
  )
}

function isAbsent(value: JsonValue | undefined): boolean {
  return value === undefined || value === null
}

function isText(value: JsonValue): boolean {
  return typeof value === 'string'
}
