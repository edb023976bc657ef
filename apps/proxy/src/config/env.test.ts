import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readEnvironment } from './env.ts'

describe('environment', () => {
  it("an empty environment gives LiteLLM's defaults", () => {
    expect(readEnvironment({ PORT: '' })).toMatchObject({
      port: 4000,
      host: '127.0.0.1',
      callTimeoutMs: 60_000,
      listTimeoutMs: 30_000,
      shortToolPrefix: false,
      toolPrefixSeparator: '-',
      tokenCache: { defaultTtlMs: 3_600_000, minTtlMs: 10_000, maxEntries: 200, expiryBufferMs: 60_000 },
      oauth2ForServersWithoutAuth: false,
      keyRotation: { enabled: false, checkEveryMs: 86_400_000, graceMs: 86_400_000 },
    })
    expect(
      readEnvironment({
        LITELLM_KEY_ROTATION_ENABLED: 'true',
        LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: '900',
        LITELLM_KEY_ROTATION_GRACE_PERIOD: '48h',
      }),
    ).toMatchObject({ keyRotation: { enabled: true, checkEveryMs: 900_000, graceMs: 172_800_000 } })
  })

  it.each([
    ['PORT', '70000', 'Environment variable PORT must be a port number from 0 to 65535.'],
    ['PORT', 'http', 'Environment variable PORT must be a port number from 0 to 65535.'],
    [
      'LITELLM_MCP_CLIENT_TIMEOUT',
      '0',
      'Environment variable LITELLM_MCP_CLIENT_TIMEOUT must be a number of seconds above 0 and up to 86400.',
    ],
    [
      'LITELLM_MCP_TOOL_LISTING_TIMEOUT',
      '2147484',
      'Environment variable LITELLM_MCP_TOOL_LISTING_TIMEOUT must be a number of seconds above 0 and up to 86400.',
    ],
    ['LITELLM_SALT_KEY', 'canary-short', 'Environment variable LITELLM_SALT_KEY must be at least 16 characters long.'],
    [
      'TOOLGATE_ENCRYPTION_KEY',
      'canary',
      expect.stringContaining('TOOLGATE_ENCRYPTION_KEY must be 32 bytes in base64'),
    ],
    ['MCP_OAUTH2_TOKEN_URL', 'canary', 'Environment variable MCP_OAUTH2_TOKEN_URL must be an http or https address.'],
    ['LITELLM_KEY_ROTATION_GRACE_PERIOD', 'soon', expect.stringContaining('GRACE_PERIOD must be a duration')],
    ['LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS', '1e9', expect.stringContaining('CHECK_INTERVAL_SECONDS must be')],
    ['LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS', '2147484', expect.stringContaining('below 2147484')],
    ['MCP_TOOL_PREFIX_SEPARATOR', '/', expect.stringContaining('MCP_TOOL_PREFIX_SEPARATOR')],
    ['LOG_LEVEL', 'loud', expect.stringContaining('LOG_LEVEL must be one of trace, debug')],
  ])('%s=%s is refused by name, without its value', (name, value, message) => {
    let refusal = ''
    try {
      readEnvironment({ [name]: value })
    } catch (error) {
      refusal = error instanceof Error ? error.message : ''
    }
    expect(refusal).toEqual(message)
    expect(refusal).not.toContain('canary')
  })

  it('an encryption key may be base64 or base64url', () => {
    const key = Buffer.alloc(32, 0xfb)
    for (const text of [key.toString('base64'), key.toString('base64url')]) {
      expect(readEnvironment({ TOOLGATE_ENCRYPTION_KEY: text }).encryptionKey?.reveal()).toBe(text)
    }
  })

  it('printing it shows no variable', () => {
    const canary = 'canary-value-of-some-length'
    const environment = readEnvironment({
      LITELLM_MASTER_KEY: canary,
      DATABASE_URL: `postgres://gate:${canary}@db/gate`,
      LITELLM_SALT_KEY: canary,
      OTHER: canary,
    })
    expect(inspect(environment, { depth: 10, showHidden: true }) + JSON.stringify(environment)).not.toContain(canary)
    expect(environment.lookup('OTHER')).toBe(canary)
  })
})
