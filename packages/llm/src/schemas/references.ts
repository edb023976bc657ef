import { isJsonObject, type JsonObject, type JsonValue, mapSubschemas, valueAtPointer } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import { bothSchemas } from './merge-schemas.ts'

/** Schemas that one tool may come to: what references repeat could be without end. Past it a schema admits anything. */
const maxSchemas = 1_000

/** References within references that are followed. */
const maxDepth = 64

/** How often what contains itself is written within itself. */
const maxRecursion = 1

/** References to references that are followed at the top. */
const maxHops = 16

/**
 * A schema with everything that it refers to written in its place. What contains itself is written once more within itself, and then
 * only its type; what is not in the schema is not fetched and admits anything. Pure.
 */
export function inlineReferences(root: JsonObject): JsonObject {
  let left = maxSchemas
  const anchors = findAnchors(root)

  const write = (part: JsonValue, open: readonly string[]): JsonValue => {
    if (!isJsonObject(part)) return part
    left -= 1
    if (left <= 0) return {}
    const reference = referenceOf(part)
    if (reference === undefined) return mapSubschemas(withoutDefinitions(part), (inner) => write(inner, open))
    const { $ref: _ref, $dynamicRef: _dynamic, $recursiveRef: _recursive, ...beside } = part
    const target = findTarget(root, reference, anchors)
    if (!isJsonObject(target)) return write(beside, open)
    const times = open.filter((one) => one === reference).length
    if (times > maxRecursion || open.length > maxDepth) return { ...outline(target), ...outline(beside) }
    return write(bothSchemas(target, beside), [...open, reference])
  }

  const written = write(root, [])
  return isJsonObject(written) ? written : {}
}

/** What a schema itself refers to, and nothing within it; its definitions stay where they are. */
export function followReference(root: JsonObject, part: JsonValue): JsonObject {
  let followed = isJsonObject(part) ? part : {}
  for (let hop = 0; hop < maxHops; hop += 1) {
    const { $ref: reference, ...beside } = followed
    if (typeof reference !== 'string') return followed
    const target = findTarget(root, reference, new Map())
    followed = bothSchemas(isJsonObject(target) ? target : {}, beside)
  }
  return {}
}

function referenceOf({ $ref, $dynamicRef, $recursiveRef }: JsonObject): string | undefined {
  return [$ref, $dynamicRef, $recursiveRef].find((reference) => typeof reference === 'string')
}

function findTarget(root: JsonObject, reference: string, anchors: ReadonlyMap<string, JsonObject>) {
  if (reference === '#') return root
  if (reference.startsWith('#/')) return valueAtPointer(root, reference)
  return anchors.get(reference)
}

function findAnchors(root: JsonObject): ReadonlyMap<string, JsonObject> {
  const anchors = new Map<string, JsonObject>()
  const visit = (part: JsonValue): JsonValue => {
    if (!isJsonObject(part)) return part
    for (const anchor of [part['$anchor'], part['$dynamicAnchor']]) {
      if (textOf(anchor) !== '') anchors.set(`#${textOf(anchor)}`, part)
    }
    return mapSubschemas(part, visit)
  }
  visit(root)
  return anchors
}

function withoutDefinitions(schema: JsonObject): JsonObject {
  const { $defs: _defs, definitions: _definitions, $anchor: _anchor, $dynamicAnchor: _dynamic, ...rest } = schema
  return rest
}

function outline({ type, description }: JsonObject): JsonObject {
  return { ...(type !== undefined && { type }), ...(description !== undefined && { description }) }
}

/** Whether every reference leads to a definition of the schema, as those want it that follow references. */
export function hasSoundReferences(root: JsonObject): boolean {
  let sound = true
  const visit = (part: JsonValue): JsonValue => {
    if (!isJsonObject(part)) return part
    const reference = referenceOf(part)
    if (reference !== undefined) sound &&= isSound(root, reference)
    return mapSubschemas(part, visit)
  }
  visit(root)
  return sound
}

function isSound(root: JsonObject, reference: string): boolean {
  let next: string | undefined = reference
  for (let hop = 0; next !== undefined && hop < maxHops; hop += 1) {
    const target = /^#\/(?:\$defs|definitions)\//.test(next) ? valueAtPointer(root, next) : undefined
    if (!isJsonObject(target)) return false
    next = referenceOf(target)
  }
  return next === undefined
}
