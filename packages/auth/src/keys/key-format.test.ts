import { Secret } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { checkCustomKey, displayKey, hashKey, keyHashOf, newKey } from './key-format.ts'

describe('a virtual key', () => {
  it('is sk- and 22 url-safe characters of 16 random bytes, never the same twice', () => {
    const keys = Array.from({ length: 100 }, () => newKey().reveal())
    for (const key of keys) expect(key).toMatch(/^sk-[A-Za-z0-9_-]{22}$/)
    expect(new Set(keys).size).toBe(100)
    expect(newKey((length) => Buffer.alloc(length, 255)).reveal()).toBe('sk-_____________________w')
  })

  it('is kept as the hex SHA-256 that LiteLLM has for it', () => {
    expect(hashKey(new Secret('sk-1234'))).toBe('88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b')
  })

  it('is shown by its last four characters, unless they are much of it', () => {
    expect(displayKey(new Secret('sk-abcdefghijklmnopqrstuv'))).toBe('sk-...stuv')
    expect(displayKey(new Secret('sk-1234'))).toBe('sk-...')
  })

  it('is named by itself or by its hash, and what is neither becomes a hash too', () => {
    const hash = hashKey(new Secret('sk-1234'))
    expect(keyHashOf('sk-1234')).toBe(hash)
    expect(keyHashOf(hash)).toBe(hash)
    expect(keyHashOf('some secret')).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each(['sk-short', 'pk-0123456789abcdef', 'sk-0123456789 abcdef', 'sk-0123456789abcdé', ''])(
    'of your own is refused when it is weak or cannot be sent: %j',
    (key) => {
      expect(() => checkCustomKey(key)).toThrow(
        expect.objectContaining({ code: 'INVALID_REQUEST', details: { field: 'key' } }),
      )
    },
  )

  it('of your own is accepted from 16 characters on', () => {
    expect(() => checkCustomKey('sk-0123456789abc')).not.toThrow()
  })
})
