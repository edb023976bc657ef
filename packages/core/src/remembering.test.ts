import { expect, it, vi } from 'vitest'
import { remembering } from './remembering.ts'

it('works out each text once, keeps no more than it may and nothing that is long', () => {
  const length = vi.fn((text: string) => String(text.length))
  const known = remembering(length, { most: 2, longest: 3 })
  expect(['a', 'a', 'bb', 'a', 'long', 'long'].map((text) => known(text))).toEqual(['1', '1', '2', '1', '4', '4'])
  expect(length.mock.calls.map(([text]) => text)).toEqual(['a', 'bb', 'long', 'long'])
  // The third that is kept is the first of a new memory.
  expect(['ccc', 'ccc', 'a'].map((text) => known(text))).toEqual(['3', '3', '1'])
  expect(length.mock.calls.map(([text]) => text)).toEqual(['a', 'bb', 'long', 'long', 'ccc', 'a'])
})
