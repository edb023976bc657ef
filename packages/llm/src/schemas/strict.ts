import { isJsonObject, type JsonObject, mapSubschemas } from '@toolgate/core'
import { listOf } from '../json-fields.ts'

/** Keywords that OpenAI takes in no function with `strict: true`. */
const refused =
  `allOf oneOf not if then else dependentRequired dependentSchemas patternProperties propertyNames prefixItems`.split(
    ' ',
  )

/**
 * OpenAI takes it of a function with `strict: true`: objects are closed and want all of their properties, and every value says what it
 * is. Who writes strict functions writes them so, as OpenAI refuses any other. Needs sound references.
 */
export function isStrict({ additionalProperties, ...schema }: JsonObject): boolean {
  const { type, properties, required, items } = schema
  const { $ref, anyOf, enum: choices, const: constant } = schema
  const types = [type].flat()
  const isObject = types.includes('object') || properties !== undefined
  const names = isJsonObject(properties) ? Object.keys(properties) : []
  const wanted = new Set(listOf(required))
  if (refused.some((keyword) => keyword in schema)) return false
  if ([type, properties, $ref, anyOf, choices, constant].every((said) => said === undefined)) return false
  if (isObject && !(additionalProperties === false && names.every((name) => wanted.has(name)))) return false
  if (types.includes('array') && items === undefined) return false
  let holds = true
  mapSubschemas(schema, (part) => {
    holds &&= isJsonObject(part) && isStrict(part)
    return part
  })
  return holds
}
