import { describe, expect, it } from 'vitest'
import { joinSecrets, partKey, separateSecrets, type Settings } from './secrets.ts'

const secretsOf = (settings: Settings) =>
  Object.fromEntries(separateSecrets(settings).secrets.map(({ path, value }) => [path.join('.'), value]))

describe('the secrets of a server', () => {
  it('are every text that is not known to be public, also under a key that nobody has heard of', () => {
    const settings = {
      description: 'shown',
      url: 'https://example.com/mcp',
      token_url: 'https://user:hidden-1@example.com/token',
      auth_type: 'oauth2',
      client_id: 'shown',
      client_secret: 'hidden-2',
      static_headers: { description: 'hidden-3', url: 'hidden-4' },
      env: { transport: 'hidden-5' },
      args: ['hidden-6', 'hidden-7'],
      env_vars: [{ name: 'shown', value: 'hidden-8', scope: 'global' }],
      discovery_auth: { auth_type: 'bearer_token', auth_value: 'hidden-9' },
      of_a_later_version: { deep: ['hidden-10', { deeper: 'hidden-11' }] },
      auth: {
        oauth2: { client_id: 'shown', client_secret: 'hidden-12' },
        cookie_passthrough: { cookie_names: ['shown'] },
      },
      timeout: 5,
      prefix: false,
      of_another_version: { pin: 4711, on: true },
    }
    const { settings: shown } = separateSecrets(settings)
    expect(JSON.stringify(shown)).not.toMatch(/hidden|4711/)
    expect(Object.keys(secretsOf(settings))).toHaveLength(14)
    expect(shown).toMatchObject({
      description: 'shown',
      url: 'https://example.com/mcp',
      token_url: 'https://example.com/token?[redacted]',
      client_id: 'shown',
      static_headers: { description: '[redacted]', url: '[redacted]' },
      env_vars: [{ name: 'shown', value: '[redacted:0]', scope: 'global' }],
      timeout: 5,
      prefix: false,
    })
  })

  it('come back to their places, and only there', () => {
    const settings = {
      url: 'https://example.com/mcp?key=one#two',
      static_headers: { a: 'x', 'b.c': 'y' },
      args: ['z'],
      of_another_version: { pin: 4711, on: true },
      description: '[redacted]',
    }
    const { settings: shown, secrets } = separateSecrets(settings)
    expect(joinSecrets(shown, new Map(secrets.map(({ path, value }) => [partKey(path), value])))).toEqual(settings)
    expect(joinSecrets(shown, new Map())).toEqual(shown)
  })

  it('are placeholders exactly where what is shown was sent back', () => {
    const { settings: shown } = separateSecrets({ url: 'https://a.example/mcp?key=x', auth_value: 'x' })
    const isPlaceholder = (settings: Settings) => separateSecrets(settings).secrets.map((part) => part.isPlaceholder)
    expect(isPlaceholder(shown)).toEqual([true, true])
    expect(isPlaceholder({ url: 'https://a.example/mcp?key=y', auth_value: '[redacted] ' })).toEqual([false, false])
  })

  it('are meant by their place in a list as it was shown, wherever that stands now', () => {
    const { settings: shown } = separateSecrets({ args: ['a', 'b'], env_vars: [{ value: 'c' }] })
    expect(shown).toEqual({ args: ['[redacted:0]', '[redacted:1]'], env_vars: [{ value: '[redacted:0]' }] })
    const { secrets } = separateSecrets({
      args: ['new', '[redacted:1]', '[redacted:0]', '[redacted]', '[redacted:0.1]'],
    })
    expect(secrets.map(({ isPlaceholder, meant }) => [isPlaceholder, meant])).toEqual([
      [false, ['args', 0]],
      [true, ['args', 1]],
      [true, ['args', 0]],
      [true, undefined],
      [true, undefined],
    ])
  })
})
