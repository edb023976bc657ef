import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret, secretSchema } from './secret.ts'

describe('Secret', () => {
  const secret = new Secret('sk-very-secret')

  it.each([
    ['a format string', () => format('%s %o %j', secret, secret, secret)],
    ['JSON', () => JSON.stringify({ secret })],
    ['inspect', () => inspect({ nested: [secret] }, { depth: 5, showHidden: true })],
    ['concatenation', () => ''.concat(String(secret))],
    ['its own keys', () => JSON.stringify(Object.entries(secret))],
  ])('is not printed by %s', (_way, print) => {
    expect(print()).not.toContain('very-secret')
  })

  it('gives its value only to who asks for it', () => {
    expect(secret.reveal()).toBe('sk-very-secret')
  })

  it('compares by value and refuses another length', () => {
    expect(secret.equals('sk-very-secret')).toBe(true)
    expect(secret.equals('sk-very-secreT')).toBe(false)
    expect(secret.equals('sk')).toBe(false)
  })

  it('is what configuration strings become', () => {
    expect(secretSchema.parse('value')).toBeInstanceOf(Secret)
    expect(secretSchema.safeParse('').success).toBe(false)
  })
})
