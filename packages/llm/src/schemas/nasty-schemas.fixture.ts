import type { JsonObject } from '@toolgate/core'

/** A schema as servers in the field write them, and arguments that it admits. */
export interface NastySchema {
  readonly name: string
  readonly inputSchema: JsonObject
  readonly admits: readonly JsonObject[]
}

export const nastySchemas: readonly NastySchema[] = [
  { name: 'nothing at all', inputSchema: {}, admits: [{}] },
  { name: 'no properties', inputSchema: { type: 'object' }, admits: [{}] },
  { name: 'properties that are null', inputSchema: { type: 'object', properties: null }, admits: [{}] },
  {
    name: 'references to definitions',
    inputSchema: {
      type: 'object',
      properties: { at: { $ref: '#/$defs/Point', description: 'where' } },
      required: ['at'],
      $defs: {
        Point: { type: 'object', properties: { x: { $ref: '#/$defs/Coordinate' } }, required: ['x'] },
        Coordinate: { type: 'number', minimum: 0 },
      },
    },
    admits: [{ at: { x: 1 } }],
  },
  {
    name: 'definitions of draft 7, escaped',
    inputSchema: {
      type: 'object',
      properties: { one: { $ref: '#/definitions/a~1b%20c' } },
      definitions: { 'a/b c': { enum: ['x'] } },
    },
    admits: [{ one: 'x' }],
  },
  {
    name: 'something that contains itself',
    inputSchema: {
      type: 'object',
      properties: { tree: { $ref: '#/$defs/Node' } },
      $defs: {
        Node: {
          type: 'object',
          properties: { value: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/Node' } } },
          required: ['value'],
        },
      },
    },
    admits: [
      { tree: { value: 'a', children: [{ value: 'b', children: [{ value: 'c', children: [{ value: 'd' }] }] }] } },
    ],
  },
  {
    name: 'a whole that contains itself',
    inputSchema: {
      type: 'object',
      properties: { and: { type: 'array', items: { $ref: '#' } }, is: { type: 'string' } },
    },
    admits: [{ and: [{ is: 'a' }, { and: [{ and: [{ is: 'b' }] }] }] }],
  },
  {
    name: 'references that lead in a circle',
    inputSchema: {
      type: 'object',
      properties: { a: { $ref: '#/$defs/A' } },
      $defs: { A: { $ref: '#/$defs/B' }, B: { $ref: '#/$defs/A' } },
    },
    admits: [{ a: 1 }],
  },
  {
    name: 'an anchor',
    inputSchema: {
      type: 'object',
      properties: { a: { $ref: '#word' } },
      $defs: { Word: { $anchor: 'word', type: 'string' } },
    },
    admits: [{ a: 'x' }],
  },
  {
    name: 'a reference to another document',
    inputSchema: {
      type: 'object',
      properties: { a: { $ref: 'https://schemas.example/a.json', description: 'an a' } },
    },
    admits: [{ a: { b: 1 } }],
  },
  {
    name: 'a reference at the top',
    inputSchema: {
      $ref: '#/$defs/Arguments',
      $defs: { Arguments: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } },
    },
    admits: [{ a: 'x' }],
  },
  {
    name: 'alternatives at the top',
    inputSchema: {
      type: 'object',
      anyOf: [
        { properties: { id: { type: 'string' } }, required: ['id'] },
        { properties: { name: { type: 'string' }, at: { type: 'string' } }, required: ['name'] },
      ],
    },
    admits: [{ id: '1' }, { name: 'n', at: 'a' }],
  },
  {
    name: 'a union told apart by a word',
    inputSchema: {
      type: 'object',
      oneOf: [
        { $ref: '#/$defs/Circle' },
        {
          type: 'object',
          properties: { kind: { const: 'square' }, side: { type: 'number' } },
          required: ['kind', 'side'],
        },
      ],
      $defs: {
        Circle: {
          type: 'object',
          properties: { kind: { const: 'circle' }, radius: { type: 'number' } },
          required: ['kind', 'radius'],
        },
      },
    },
    admits: [
      { kind: 'circle', radius: 1 },
      { kind: 'square', side: 2 },
    ],
  },
  {
    name: 'parts that hold together, each closed to the other',
    inputSchema: {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false },
        { type: 'object', properties: { b: { type: 'integer' } } },
      ],
    },
    admits: [{ a: 'x', b: 1 }],
  },
  {
    name: 'conditions',
    inputSchema: {
      type: 'object',
      properties: { mode: { enum: ['a', 'b'] }, file: { type: 'string' } },
      if: { properties: { mode: { const: 'a' } } },
      ...JSON.parse('{"then": {"required": ["file"]}}'),
      not: { required: ['forbidden'] },
    },
    admits: [{ mode: 'b' }, { mode: 'a', file: 'f' }],
  },
  {
    name: 'bounds of draft 4',
    inputSchema: {
      $schema: 'http://json-schema.org/draft-04/schema#',
      id: 'http://schemas.example/tool',
      type: 'object',
      properties: {
        n: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
        old: { type: 'string', required: true },
      },
    },
    admits: [{ n: 5, old: 'x' }],
  },
  {
    name: 'a tuple of draft 7',
    inputSchema: {
      type: 'object',
      properties: { pair: { type: 'array', items: [{ type: 'string' }, { type: 'number' }], additionalItems: false } },
    },
    admits: [{ pair: ['a', 1] }],
  },
  {
    name: 'lists that do not say of what',
    inputSchema: { type: 'object', properties: { list: { type: 'array' }, either: { type: ['array', 'string'] } } },
    admits: [{ list: [1, 'a'], either: 'x' }],
  },
  {
    name: 'types of other languages',
    inputSchema: {
      type: 'object',
      properties: { a: { type: 'any' }, b: { type: 'int' }, c: { type: 'String' }, d: { type: ['float', 'none'] } },
    },
    admits: [{ a: { x: 1 }, b: 1, c: 'x', d: null }],
  },
  {
    name: 'what OpenAPI says',
    inputSchema: {
      type: 'object',
      properties: {
        a: { type: 'string', nullable: true, example: 'x', xml: {} },
        b: { type: 'string', format: 'uri' },
      },
    },
    admits: [{ a: null, b: 'https://a.example' }],
  },
  {
    name: 'choices of every kind',
    inputSchema: {
      type: 'object',
      properties: {
        words: { enum: ['a', 'b', null] },
        numbers: { type: 'integer', enum: [1, 2] },
        mixed: { enum: ['a', 1, true, null] },
        none: { type: 'string', enum: [] },
        fixed: { const: 'only' },
      },
    },
    admits: [{ words: null, numbers: 2, mixed: true, none: 'x', fixed: 'only' }],
  },
  {
    name: 'schemas that are booleans',
    inputSchema: { type: 'object', properties: { anything: true, nothing: false }, additionalProperties: true },
    admits: [{ anything: { a: [1] } }],
  },
  {
    name: 'maps',
    inputSchema: {
      type: 'object',
      properties: {
        env: { type: 'object', additionalProperties: { type: 'string' } },
        tagged: { type: 'object', patternProperties: { '^x-': { type: 'string' } } },
        named: { type: 'object', propertyNames: { pattern: '^[a-z]+$' } },
      },
    },
    admits: [{ env: { A: 'b' }, tagged: { 'x-a': 'b' }, named: { abc: 1 } }],
  },
  {
    name: 'patterns of another language',
    inputSchema: {
      type: 'object',
      properties: {
        a: { type: 'string', pattern: '(?<!x)(?P<name>a)' },
        b: { type: 'string', pattern: '^b+$', minLength: 1 },
      },
    },
    admits: [{ a: 'anything', b: 'bb' }],
  },
  {
    name: 'required arguments that are not described',
    inputSchema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a', 'ghost', 'a'] },
    admits: [{ a: 'x', ghost: 1 }],
  },
  {
    name: 'properties named like keywords',
    inputSchema: {
      type: 'object',
      properties: {
        $ref: { type: 'string' },
        properties: { type: 'object', properties: { type: { type: 'string' } } },
        enum: { type: 'array', items: { type: 'string' } },
        required: { type: 'boolean' },
      },
      required: ['$ref'],
    },
    admits: [{ $ref: '#/a', properties: { type: 't' }, enum: ['a'], required: true }],
  },
  {
    name: 'data that looks like a schema',
    inputSchema: {
      type: 'object',
      properties: { a: { type: 'object', default: { $ref: '#/$defs/None', type: 'any' }, examples: [{ $ref: '#' }] } },
    },
    admits: [{ a: {} }],
  },
  {
    name: 'several types at once',
    inputSchema: {
      type: 'object',
      properties: { id: { type: ['string', 'integer', 'null'], minLength: 1, minimum: 1, description: 'an id' } },
    },
    admits: [{ id: 'x' }, { id: 7 }, { id: null }],
  },
  { name: 'definitions that multiply', inputSchema: multiplying(24), admits: [{}] },
  { name: 'schemas without end', inputSchema: nested(500), admits: [{}] },
]

/** Each definition holds the next one twice: written in place it would be millions of schemas. */
function multiplying(count: number): JsonObject {
  const next = (index: number) => ({ $ref: `#/$defs/d${index + 1}` })
  const definitions = Array.from({ length: count }, (_, index): [string, JsonObject] => [
    `d${index}`,
    { type: 'object', properties: { left: next(index), right: next(index) } },
  ])
  return {
    type: 'object',
    properties: { first: { $ref: '#/$defs/d0' } },
    $defs: { ...Object.fromEntries(definitions), [`d${count}`]: { type: 'string' } },
  }
}

function nested(depth: number): JsonObject {
  let schema: JsonObject = { type: 'string' }
  for (let level = 0; level < depth; level += 1) schema = { type: 'object', properties: { inner: schema } }
  return schema
}
