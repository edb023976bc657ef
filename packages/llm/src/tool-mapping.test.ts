import { describe, expect, it } from 'vitest'
import { toFunctionNames, toFunctionTool, toResultText } from './tool-mapping.ts'

describe('function names', () => {
  const nameOf = (name: string, ...others: string[]) => toFunctionNames([name, ...others]).get(name)

  it('stay what they are where providers accept them', () => {
    expect(nameOf('everything-get-sum')).toBe('everything-get-sum')
  })

  it.each(['srv-a.b', 'srv-größe', 'x'.repeat(65), 'a b', 'srv/tool'])('of %s become acceptable', (name) => {
    expect(nameOf(name)).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
  })

  it('are told apart where only replaced or cut characters differ', () => {
    const similar = ['a.b', 'a b', 'a_b', `${'x'.repeat(70)}1`, `${'x'.repeat(70)}2`]
    expect(new Set(toFunctionNames(similar).values()).size).toBe(similar.length)
  })

  it('do not depend on the tools beside them', () => {
    expect(nameOf('a.b')).toBe(nameOf('a.b', 'a b', 'a_b', 'c'))
  })

  it('never take the name of another tool', () => {
    const disguised = nameOf('a.b') ?? ''
    expect(nameOf('a.b', disguised)).not.toBe(disguised)
  })
})

describe('schemas', () => {
  it('are objects with properties, and otherwise untouched', () => {
    const parametersOf = (inputSchema: Parameters<typeof toFunctionTool>[0]['inputSchema']) =>
      toFunctionTool({ functionName: 't', inputSchema })['function']
    expect(parametersOf({})).toMatchObject({ parameters: { type: 'object', properties: {} } })
    const full = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/A' } },
      $defs: { A: { type: 'string' } },
      required: ['a'],
    }
    expect(parametersOf(full)).toEqual({ name: 't', parameters: full })
  })
})

describe('results as text', () => {
  const text = (value: string) => ({ type: 'text', text: value })
  it.each([
    ['text parts joined', { content: [text('a'), text('b')] }, 'a b'],
    [
      'images shown',
      { content: [text('see'), { type: 'image', data: '…', mimeType: 'image/png' }] },
      'see [Generated Image: image/png]',
    ],
    ['audio shown', { content: [{ type: 'audio', data: '…' }] }, '[Generated Audio]'],
    ['embedded text read', { content: [{ type: 'resource', resource: { uri: 'f:a', text: 'inside' } }] }, 'inside'],
    [
      'embedded bytes shown',
      { content: [{ type: 'resource', resource: { uri: 'f:a', blob: '…' } }] },
      '[Embedded Resource: f:a]',
    ],
    ['links shown', { content: [{ type: 'resource_link', uri: 'f:a' }] }, '[Resource Link: f:a]'],
    ['structured content where there is no other', { content: [], structuredContent: { a: 1 } }, '{"a":1}'],
    ['text before structured content', { content: [text('a')], structuredContent: { a: 1 } }, 'a'],
    ['nothing', { content: [] }, 'Tool executed successfully'],
    ['nothing at all', {}, 'Tool executed successfully'],
    ['parts that are none', { content: [null, 'x', { type: 'text' }] }, 'Tool executed successfully'],
    ['kinds not known yet', { content: [{ type: 'hologram' }] }, '[Unsupported Content: hologram]'],
  ])('%s', (_, result, expected) => {
    expect(toResultText(result)).toBe(expected)
  })
})
