import type { JsonObject } from '@toolgate/core'

/** Tools with fields, keywords and annotations that a gateway has no business to know. */
export const oddTools: readonly JsonObject[] = [
  { name: 'plain', inputSchema: { type: 'object' } },
  {
    name: 'with.every-field_1',
    title: 'A title',
    description: 'ünï 🧨',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { a: { anyOf: [{ type: 'string' }, { type: 'null' }], 'x-own': { deep: [1, [2]] } } },
      $defs: { loop: { type: 'object', properties: { next: { $ref: '#/$defs/loop' } } } },
      unevaluatedProperties: false,
    },
    outputSchema: { type: 'object', properties: { b: { const: 1 } } },
    annotations: { readOnlyHint: true, destructiveHint: false, title: 'Another title', futureHint: 'kept' },
    execution: { taskSupport: 'optional', later: true },
    icons: [{ src: 'data:image/png;base64,AA==', mimeType: 'image/png', sizes: ['48x48'], theme: 'dark' }],
    _meta: { 'com.example/own': { nested: [null, 1.5, 'text'] }, 'anthropic/alwaysLoad': true },
    unknownField: [1, { two: 2 }],
  },
]

/** Results that are what they are, whatever a schema says. */
export const oddResults: Readonly<Record<string, JsonObject>> = {
  nothing: {},
  'no content': { structuredContent: { a: 1 } },
  'unknown fields': { content: [], futureField: { kept: true }, isError: false },
  'unknown content type': { content: [{ type: 'hologram', payload: { x: 1 }, annotations: { audience: ['user'] } }] },
  'fields inside content': {
    content: [
      {
        type: 'text',
        text: 'ünï 🧨 \u2028 \u0007',
        annotations: { priority: 0.5, lastModified: '2026-01-01T00:00:00Z', own: [1] },
        _meta: { 'com.example/id': 7 },
        later: null,
      },
    ],
  },
  'data that is no base64': { content: [{ type: 'image', data: '*not base64*', mimeType: 'image/png' }] },
  'structured content of every kind': { content: [], structuredContent: { list: [1, null, 'x', { y: [] }], n: -0.25 } },
  'structured content that is a list': { content: [], structuredContent: [1, 2] },
  'numbers at the edge': { content: [], structuredContent: { big: 9007199254740991, tiny: 5e-324, negative: -1e21 } },
  'names of JavaScript': JSON.parse('{"content":[],"structuredContent":{"__proto__":{"a":1},"constructor":"c"}}'),
  'meta of the server': { content: [], _meta: { 'com.example/trace': 'abc', progressToken: 'mine' } },
  'an error with everything': {
    content: [{ type: 'text', text: 'no' }],
    isError: true,
    structuredContent: { code: 7 },
  },
  'a long text': { content: [{ type: 'text', text: 'é'.repeat(300_000) }] },
}
