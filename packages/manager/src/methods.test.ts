import { describe, expect, it } from 'vitest'
import { addressOf, outdatedBy } from './methods.ts'

describe('addressOf', () => {
  it.each([
    ['tools/call', { name: 'a', arguments: { name: 'kept' } }, 'tool', { name: 'b', arguments: { name: 'kept' } }],
    ['prompts/get', { name: 'a' }, 'prompt', { name: 'b' }],
    ['resources/read', { uri: 'a', name: 'kept' }, 'resource', { uri: 'b', name: 'kept' }],
    ['resources/subscribe', { uri: 'a' }, 'resource', { uri: 'b' }],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'a', title: 't' }, argument: { name: 'x', value: 'y' } },
      'prompt',
      { ref: { type: 'ref/prompt', name: 'b', title: 't' }, argument: { name: 'x', value: 'y' } },
    ],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'a' } },
      'resource',
      { ref: { type: 'ref/resource', uri: 'b' } },
    ],
  ])('finds and replaces the name of %s and nothing else', (...[method, params, kind, renamed]) => {
    const before = structuredClone(params)
    const address = addressOf(method, params)
    expect(address).toMatchObject({ kind, name: 'a' })
    expect(address.rename('b')).toEqual(renamed)
    expect(address.rename('a')).toBe(params)
    expect(params).toEqual(before)
  })

  it.each([
    ['tools/call', {}],
    ['tools/call', { name: '' }],
    ['tools/call', { name: 3 }],
    ['resources/read', { name: 'a' }],
    ['completion/complete', { name: 'a' }],
    ['completion/complete', { ref: { type: 'ref/else', name: 'a' } }],
    ['completion/complete', { ref: { type: 'ref/prompt', uri: 'a' } }],
  ])('refuses %s with %j: it names nothing', (method, params) => {
    expect(() => addressOf(method, params)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
  })

  it.each(['tools/list', 'initialize', 'constructor', 'logging/setLevel'])('knows no target of %s', (method) => {
    expect(() => addressOf(method, { name: 'a' })).toThrow(expect.objectContaining({ code: 'METHOD_NOT_FOUND' }))
  })
})

it('knows which lists a notification outdates', () => {
  expect(outdatedBy('notifications/resources/list_changed')).toEqual(['resources', 'resourceTemplates'])
  expect(outdatedBy('notifications/progress')).toEqual([])
})
