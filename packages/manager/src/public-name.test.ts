import { assert, constantFrom, property, string } from 'fast-check'
import { expect, it } from 'vitest'
import { joinName, maxPrefixLength, prefixesOf, splitName } from './public-name.ts'

it('reads back every name it joins, whatever stands in prefix, separator and name', () => {
  const word = string({ unit: constantFrom('a', '-', '_', '.', 'é'), minLength: 1, maxLength: 8 })
  assert(
    property(word, constantFrom('-', '_', '--', '__', '.'), word, (prefix, separator, name) => {
      const splits = splitName(joinName(prefix, separator, name), separator)
      expect(splits).toContainEqual({ prefix, name })
      expect(splits.map((split) => split.prefix.length)).toEqual(
        splits.map((split) => split.prefix.length).toSorted((left, right) => right - left),
      )
    }),
  )
})

it('reads a hostile name in bounded work', () => {
  expect(splitName('-'.repeat(1_000_000), '-')).toHaveLength(maxPrefixLength)
})

it('prints the alias first and knows name and id, with spaces as LiteLLM writes them', () => {
  expect(prefixesOf({ id: 'id-1', name: 'git hub', alias: 'gh', prefix: 'gh' })).toEqual(['gh', 'git_hub', 'id-1'])
  expect(prefixesOf({ id: 'same', name: 'same', prefix: 'same' })).toEqual(['same'])
})
