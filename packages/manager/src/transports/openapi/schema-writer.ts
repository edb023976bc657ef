import { isJsonObject, type JsonObject, type JsonValue, schemaLists, schemaMaps, schemaParts } from '@toolgate/core'
import { lookUp, resolved } from './references.ts'

/** Characters that the schemas of one tool may come to: what references repeat could be without end. */
const maxSchemaLength = 128 * 1024

/** Schemas within schemas. */
const maxDepth = 48

/** What OpenAPI says beside JSON Schema, and what would mean another base for references. */
const dropped = new Set(
  `xml externalDocs discriminator example $id $schema $anchor $dynamicAnchor $dynamicRef $comment $defs definitions
  $vocabulary`.split(/\s+/),
)

/** Whose values do not travel in this direction. */
export type Hidden = 'readOnly' | 'writeOnly'

/** Where a schema stands: the references that are open around it. */
interface Position {
  readonly open: ReadonlySet<string>
  readonly depth: number
}

/**
 * Schemas of a document as JSON Schema that stands by itself. What is referred to is written in place, because models and
 * their providers often do not follow references; only what contains itself becomes a definition. Past the bound a schema is
 * one that admits anything.
 */
export class SchemaWriter {
  readonly #document: JsonObject
  readonly #hidden: Hidden
  readonly #names = new Map<string, string>()
  readonly #unwritten: string[] = []
  #left = maxSchemaLength

  constructor(document: JsonObject, hidden: Hidden) {
    this.#document = document
    this.#hidden = hidden
  }

  /** Something had to be left out. */
  get isCut(): boolean {
    return this.#left <= 0
  }

  /** Throws `Unresolvable`. */
  write(schema: unknown): JsonValue {
    return this.#write(schema, { open: new Set(), depth: 0 })
  }

  /** What the schemas written so far refer to, as the `$defs` of the schema they all stand in. */
  definitions(): JsonObject {
    const written: [string, JsonValue][] = []
    for (let reference = this.#unwritten.shift(); reference !== undefined; reference = this.#unwritten.shift()) {
      const position = { open: new Set([reference]), depth: 0 }
      written.push([this.#nameOf(reference), this.#write(lookUp(this.#document, reference), position)])
    }
    return written.length === 0 ? {} : { $defs: Object.fromEntries(written) }
  }

  #write(schema: unknown, position: Position): JsonValue {
    if (typeof schema === 'boolean') return schema
    if (!isJsonObject(schema)) return {}
    if (position.depth > maxDepth) this.#left = 0
    if (this.#left <= 0) return {}
    const { $ref: reference, ...siblings } = schema
    if (typeof reference === 'string') return this.#follow(reference, siblings, position)
    const inner = { ...position, depth: position.depth + 1 }
    const hidden = this.#hiddenProperties(schema['properties'])
    const entries = Object.entries(schema).filter(([keyword]) => !dropped.has(keyword) && !keyword.startsWith('x-'))
    return Object.fromEntries(
      entries.flatMap(([keyword, value]): [string, JsonValue][] => {
        this.#left -= keyword.length
        const written = this.#keyword(keyword, value, { position: inner, hidden })
        return written === undefined ? [] : [[keyword, written]]
      }),
    )
  }

  #keyword(
    keyword: string,
    value: JsonValue,
    { position, hidden }: { position: Position; hidden: ReadonlySet<string> },
  ): JsonValue | undefined {
    if (schemaMaps.has(keyword)) {
      if (!isJsonObject(value)) return undefined
      const properties =
        keyword === 'properties' ? Object.entries(value).filter(([name]) => !hidden.has(name)) : Object.entries(value)
      return Object.fromEntries(
        properties.map(([name, schema]) => {
          this.#left -= name.length
          return [name, this.#write(schema, position)]
        }),
      )
    }
    if (schemaLists.has(keyword)) {
      return Array.isArray(value) ? value.map((schema) => this.#write(schema, position)) : undefined
    }
    if (schemaParts.has(keyword) && !Array.isArray(value)) return this.#write(value, position)
    if (keyword === 'required')
      return Array.isArray(value) ? value.filter((name) => typeof name === 'string' && !hidden.has(name)) : undefined
    this.#left -= JSON.stringify(value).length
    return this.#left <= 0 ? undefined : value
  }

  #follow(reference: string, siblings: JsonObject, { open, depth }: Position): JsonValue {
    const beside = this.#write(siblings, { open, depth: depth + 1 })
    if (open.has(reference)) {
      this.#left -= reference.length
      return { ...asObject(beside), $ref: `#/$defs/${this.#nameOf(reference)}` }
    }
    const position = { open: new Set([...open, reference]), depth: depth + 1 }
    const target = this.#write(lookUp(this.#document, reference), position)
    if (typeof target === 'boolean') return target
    return { ...asObject(target), ...asObject(beside) }
  }

  #nameOf(reference: string): string {
    const known = this.#names.get(reference)
    if (known !== undefined) return known
    const plain = (reference.split('/').at(-1) ?? '').replaceAll(/[^\w.-]/g, '_')
    const taken = new Set(this.#names.values())
    const name = plain !== '' && !taken.has(plain) ? plain : `${plain}_${taken.size}`
    this.#names.set(reference, name)
    this.#unwritten.push(reference)
    return name
  }

  #hiddenProperties(properties: unknown): ReadonlySet<string> {
    if (!isJsonObject(properties)) return new Set()
    const hidden = Object.entries(properties).filter(
      ([, schema]) => resolved(this.#document, schema)?.[this.#hidden] === true,
    )
    return new Set(hidden.map(([name]) => name))
  }
}

function asObject(value: JsonValue): JsonObject {
  return isJsonObject(value) ? value : {}
}
