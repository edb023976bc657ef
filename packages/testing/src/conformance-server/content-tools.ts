import { fromJsonSchema } from '@modelcontextprotocol/server'
import { type FixtureTool, takes, text } from './fixture-tool.ts'
import { pixel, silence } from './media.ts'

/** Every kind of content that a result may hold, and a schema with keywords that careless gateways lose. */
export const contentTools: readonly FixtureTool[] = [
  {
    name: 'test_simple_text',
    description: 'Returns text.',
    inputSchema: takes({}),
    run: () => text('This is a simple text response for testing.'),
  },
  {
    name: 'test_image_content',
    description: 'Returns an image.',
    inputSchema: takes({}),
    run: () => ({ content: [{ type: 'image', ...pixel }] }),
  },
  {
    name: 'test_audio_content',
    description: 'Returns audio.',
    inputSchema: takes({}),
    run: () => ({ content: [{ type: 'audio', ...silence }] }),
  },
  {
    name: 'test_embedded_resource',
    description: 'Returns an embedded resource.',
    inputSchema: takes({}),
    run: () => ({
      content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
    }),
  },
  {
    name: 'test_multiple_content_types',
    description: 'Returns text, an image and a resource.',
    inputSchema: takes({}),
    run: () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        { type: 'image', ...pixel },
        embedded('test://mixed-content-resource', 'application/json', JSON.stringify({ test: 'data', value: 123 })),
      ],
    }),
  },
  {
    name: 'test_structured_content',
    description: 'Returns a value with its schema.',
    inputSchema: takes({}),
    outputSchema: fromJsonSchema({
      type: 'object',
      properties: { temperature: { type: 'number' }, conditions: { type: 'string' } },
      required: ['temperature', 'conditions'],
    }),
    run() {
      const structuredContent = { temperature: 33, conditions: 'Cloudy' }
      return { ...text(JSON.stringify(structuredContent)), structuredContent }
    },
  },
  {
    name: 'test_error_handling',
    description: 'Always fails.',
    inputSchema: takes({}),
    run: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
  },
  {
    name: 'json_schema_2020_12_tool',
    description: 'Has an input schema with the keywords of JSON Schema 2020-12.',
    inputSchema: fromJsonSchema<Record<string, unknown>>({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          $anchor: 'addressDef',
          type: 'object',
          properties: { street: { type: 'string' }, city: { type: 'string' } },
        },
      },
      properties: {
        name: { type: 'string' },
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: { type: 'string' },
        email: { type: 'string' },
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    }),
    run: ({ args }) => text(JSON.stringify(args)),
  },
]

function embedded(uri: string, mimeType: string, said: string) {
  return { type: 'resource' as const, resource: { uri, mimeType, text: said } }
}
