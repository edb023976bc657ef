import { readFileSync } from 'node:fs'
import { isJsonObject, type JsonObject, type JsonValue, mapSubschemas } from '@toolgate/core'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { nastySchemas } from './nasty-schemas.fixture.ts'
import { bedrockSchemas, followsReferences, geminiSchemas, plainSchemas, type SchemaProfile } from './profiles.ts'

/** The shapes, without their prose, of what servers on npm publish. */
const published: { server: string; name: string; inputSchema: JsonObject }[] = JSON.parse(
  readFileSync(new URL('published-tools.fixture.json', import.meta.url), 'utf8'),
)
const corpus = [
  ...published.map(({ server, name, inputSchema }): [string, JsonObject] => [`${server}: ${name}`, inputSchema]),
  ...nastySchemas.map(({ name, inputSchema }): [string, JsonObject] => [name, inputSchema]),
]

const profiles: [string, SchemaProfile][] = [
  ['OpenAI and Anthropic', followsReferences],
  ['OpenAI-compatible servers', plainSchemas],
  ['Gemini', geminiSchemas],
  ['Bedrock', bedrockSchemas],
]

const ajv = new Ajv2020({ strict: false, validateFormats: false, addUsedSchema: false })

/** Every schema in a schema. */
function schemasIn(schema: JsonObject): JsonObject[] {
  const found: JsonObject[] = []
  const visit = (part: JsonValue): JsonValue => {
    if (isJsonObject(part)) {
      found.push(part)
      mapSubschemas(part, visit)
    }
    return part
  }
  visit(schema)
  return found
}

const keywordsIn = (schema: JsonObject) => new Set(schemasIn(schema).flatMap((one) => Object.keys(one)))

describe.each(profiles)('tools for %s', (_, project) => {
  it.each(corpus)('are an object of properties in valid JSON Schema: %s', (_, inputSchema) => {
    const schema = project(inputSchema)
    expect(schema).toMatchObject({ type: 'object', properties: {} })
    for (const keyword of ['anyOf', 'oneOf', 'allOf', 'not', 'if', 'enum', 'const', '$ref']) {
      expect(schema).not.toHaveProperty(keyword)
    }
    void ajv.validateSchema(schema)
    expect(ajv.errors ?? []).toEqual([])
    expect(JSON.stringify(schema).length).toBeLessThan(400_000)
  })

  it.each(corpus)('say of what every list is: %s', (_, inputSchema) => {
    const lists = schemasIn(project(inputSchema)).filter(({ type }) => type === 'array')
    for (const list of lists) expect(list).toHaveProperty('items')
  })

  it.each(corpus)('are the same when it is done again: %s', (_, inputSchema) => {
    const once = project(inputSchema)
    expect(project(once)).toEqual(once)
  })

  it.each(nastySchemas)('admit what the tool admits: $name', ({ inputSchema, admits }) => {
    const validate = ajv.compile(project(inputSchema))
    for (const input of admits) {
      validate(input)
      expect(validate.errors ?? []).toEqual([])
    }
  })
})

describe('servers that follow no references', () => {
  it.each(corpus)('are sent none: %s', (_, inputSchema) => {
    for (const project of [plainSchemas, geminiSchemas, bedrockSchemas]) {
      const keywords = keywordsIn(project(inputSchema))
      for (const reference of ['$ref', '$dynamicRef', '$defs', 'definitions', '$anchor']) {
        expect(keywords).not.toContain(reference)
      }
    }
  })
})

describe('Gemini', () => {
  const taken = new Set(
    `type format title description enum items prefixItems minItems maxItems minimum maximum anyOf properties
    additionalProperties required`.split(/\s+/),
  )

  it.each(corpus)('is sent no keyword that it refuses, and a type everywhere: %s', (_, inputSchema) => {
    for (const schema of schemasIn(geminiSchemas(inputSchema))) {
      expect(Object.keys(schema).filter((keyword) => !taken.has(keyword))).toEqual([])
      expect(schema['type'] ?? schema['anyOf']).toBeDefined()
      const { required = [], properties } = schema
      const described: unknown[] = Object.keys(isJsonObject(properties) ? properties : {})
      for (const name of Array.isArray(required) ? required : []) expect(described).toContain(name)
    }
  })

  it('is told of constraints that it cannot hold', () => {
    const { properties } = geminiSchemas({
      properties: { a: { type: 'string', pattern: '^a$', description: 'An a.' }, b: { enum: [true, 'x'] } },
    })
    expect(properties).toMatchObject({
      a: { description: 'An a. [pattern: ^a$]' },
      b: { description: 'One of: true, "x".' },
    })
  })
})

it('tells which arguments belong together where alternatives become one object', () => {
  const projected = followsReferences({
    description: 'Finds it.',
    anyOf: [
      { properties: { id: {} }, required: ['id'] },
      { properties: { name: {}, at: {} }, required: ['name', 'at'] },
    ],
  })
  expect(projected).toMatchObject({
    description: 'Finds it. Arguments that belong together: (id) or (name, at).',
    properties: { id: {}, name: {}, at: {} },
  })
  expect(projected).not.toHaveProperty('required')
})

it('leaves a schema that everybody takes as it is', () => {
  const plain = {
    type: 'object',
    properties: { a: { type: 'string', description: 'An a.' }, n: { type: 'integer', minimum: 1 } },
    required: ['a'],
    additionalProperties: false,
  }
  expect(followsReferences(plain)).toEqual(plain)
  expect(plainSchemas(plain)).toEqual(plain)
})
