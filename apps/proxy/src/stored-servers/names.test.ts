import { describe, expect, it } from 'vitest'
import { checkNames } from './names.ts'

const id = 'an:id'

describe('the names of a stored server', () => {
  it.each(['a:b', 'x'.repeat(65), '', 'with space', 'a/b'])(
    'are not %j, because they become prefixes of tools',
    (word) => {
      expect(() => checkNames({ id, name: word, alias: null })).toThrow('1 to 64 letters')
      expect(() => checkNames({ id, name: 'fine', alias: word })).toThrow('1 to 64 letters')
    },
  )

  it('are letters, digits and _ . - up to 64, or the id where there is none', () => {
    expect(() => checkNames({ id, name: `A-z_0.${'x'.repeat(58)}`, alias: 'b' })).not.toThrow()
    expect(() => checkNames({ id, name: id, alias: null })).not.toThrow()
    expect(() => checkNames({ id, name: id, alias: id })).toThrow('1 to 64 letters')
  })
})
