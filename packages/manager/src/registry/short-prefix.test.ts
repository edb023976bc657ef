import { expect, it } from 'vitest'
import { serverOf } from '../fake-world.fixture.ts'
import { prefixesOf } from '../public-name.ts'
import { shortPrefix, withShortPrefixes } from './short-prefix.ts'

it('gives an id the prefix that LiteLLM gives it', () => {
  // From the first eight bytes of SHA-256: 0x9f86d081884c7d65 % 52, then what is left of it % 62, twice.
  expect(shortPrefix('test')).toBe('NaN')
})

it('gives no two servers the same prefix, and none a word that means another server', () => {
  const first = serverOf({ id: 'test' })
  const word = serverOf({ id: 'other', alias: shortPrefix('test') })
  const [short] = withShortPrefixes([first, word])
  expect(short?.prefix).toBe(shortPrefix('test#1'))
  expect(short && prefixesOf(short)).toEqual([shortPrefix('test#1'), 'test'])
  const [besideOneLeftOut] = withShortPrefixes([first, { names: [shortPrefix('test')], ids: [] }])
  expect(besideOneLeftOut).toMatchObject({ prefix: shortPrefix('test#1') })
  const many = withShortPrefixes(Array.from({ length: 2_000 }, (_, index) => serverOf({ id: `server-${index}` })))
  expect(new Set(many.map(({ prefix }) => prefix)).size).toBe(2_000)
})
