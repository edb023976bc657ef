import { describe, expect, it } from 'vitest'
import { firstMisspelt, nearestName } from './nearest.ts'

describe('nearestName', () => {
  it.each([
    ['arguemnts', ['name', 'arguments'], 'arguments'],
    ['Models', ['model', 'models'], 'models'],
    ['ulr', ['url', 'args'], 'url'],
    ['urls', ['url', 'args'], 'url'],
    ['temperature', ['models', 'arguments'], undefined],
    ['node', ['name', 'note'], 'note'],
    ['abcd', ['efgh'], undefined],
  ])('takes %s for the closest of %j', (word, known, expected) => {
    expect(nearestName(word, known)).toBe(expected)
  })

  it('prefers the first of equally close names', () => {
    expect(nearestName('modex', ['modea', 'modeb'])).toBe('modea')
  })
})

describe('firstMisspelt', () => {
  it('names the first unknown key that is close to a known one', () => {
    expect(firstMisspelt(['url', 'temperature', 'ulr', 'arg'], ['url', 'args'])).toEqual({ key: 'ulr', meant: 'url' })
  })

  it('takes no known key for a misspelling of another', () => {
    expect(firstMisspelt(['model', 'models', 'temperature'], ['model', 'models'])).toBeUndefined()
  })
})
