import { isJsonObject, type JsonObject } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { bothSchemas, describeAlternatives, eitherSchema } from './merge-schemas.ts'
import { followReference } from './references.ts'

/**
 * The schema as one object with properties: providers take no reference and no alternatives at the top of a tool's
 * arguments. It admits whatever the schema admitted; which arguments belong together is told in its description. Pure.
 */
export function toObjectRoot(schema: JsonObject): JsonObject {
  const { anyOf, oneOf, ...whole } = withAllOf(schema, schema)
  const { allOf: _all, not: _not, if: _if, then: _then, else: _else, enum: _enum, const: _const, ...rest } = whole
  const alternatives = [...listOf(oneOf), ...listOf(anyOf)]
    .map((part) => withAllOf(schema, followReference(schema, part)))
    .filter(isAboutProperties)
  const merged = alternatives.length === 0 ? rest : bothSchemas(rest, eitherSchema(alternatives))
  const description = [textOf(merged['description']), describeAlternatives(alternatives) ?? '']
    .filter((text) => text !== '')
    .join(' ')
  const { properties } = merged
  return {
    ...merged,
    type: 'object',
    properties: isJsonObject(properties) ? properties : {},
    ...(description !== '' && { description }),
  }
}

function withAllOf(root: JsonObject, schema: JsonObject): JsonObject {
  const { allOf, ...rest } = followReference(root, schema)
  return listOf(allOf).reduce<JsonObject>((merged, part) => bothSchemas(followReference(root, part), merged), rest)
}

function isAboutProperties({ properties, required }: JsonObject): boolean {
  return properties !== undefined || required !== undefined
}
