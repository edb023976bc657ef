import { upstreamAuthMethods } from '@toolgate/auth'
import { transports } from '@toolgate/manager'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import type { AppEnv } from './app-env.ts'
import { loadSource } from './config/load.ts'
import { readEnvironment } from './config/env.ts'
import { parseSource } from './config/source.ts'
import { createPublicAddress } from './public-address.ts'

const asked = async (
  headers: Record<string, string>,
  {
    from = '10.1.2.3',
    settings = {},
    env = {},
  }: { from?: string; settings?: object; env?: Record<string, string> } = {},
) => {
  const source = parseSource(JSON.stringify({ general_settings: settings }), 'test.yaml')
  const environment = readEnvironment(env)
  const current = loadSource(source, { environment, keys: { transports, authMethods: upstreamAuthMethods } })
  const address = createPublicAddress({ current })
  const app = new Hono<AppEnv>()
    .get('/', (context) => context.text(address.of(context)))
    .onError((error, context) => context.text(error.message, 400))
  const incoming = { socket: { remoteAddress: from }, rawHeaders: [] }
  const response = await app.request('http://10.0.0.9:4000/', { headers }, { incoming })
  return response.text()
}
const forwarded = { 'x-forwarded-host': 'tools.example.com', 'x-forwarded-proto': 'https' }
const settings = { use_x_forwarded_for: true, mcp_trusted_proxy_ranges: ['10.0.0.0/8', 'fd00::/8'] }
const own = 'http://10.0.0.9:4000'

describe('the public address', () => {
  it('is what the proxy says that is trusted, and what no other says', async () => {
    for (const from of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00::1']) {
      expect(await asked(forwarded, { from, settings })).toBe('https://tools.example.com')
    }
    expect(await asked(forwarded, { from: '192.0.2.1', settings })).toBe(own)
    expect(await asked(forwarded)).toBe(own)
    expect(await asked(forwarded, { settings: { ...settings, use_x_forwarded_for: false } })).toBe(own)
    expect(await asked(forwarded, { settings: { use_x_forwarded_for: true } })).toBe(own)
  })

  it('is of several values the one that the proxy has added', async () => {
    const headers = { 'x-forwarded-host': 'evil.example, tools.example.com', 'x-forwarded-proto': 'http, https' }
    expect(await asked(headers, { settings })).toBe('https://tools.example.com')
  })

  it.each(['evil.example/x', 'a"b', 'x@evil.example', 'a b', '\\evil'])(
    'is never made of nonsense: %s',
    async (host) => {
      expect(await asked({ 'x-forwarded-host': host }, { settings })).toMatch(/does not say under which name/)
    },
  )

  it('is the one that is configured, with the root path once', async () => {
    for (const PROXY_BASE_URL of [
      'https://tools.example.com',
      'https://tools.example.com/gate',
      'https://tools.example.com/',
    ]) {
      const env = { PROXY_BASE_URL, SERVER_ROOT_PATH: 'gate/' }
      expect(await asked(forwarded, { settings, env })).toBe('https://tools.example.com/gate')
    }
    expect(await asked({}, { env: { SERVER_ROOT_PATH: '/a/b' } })).toBe(`${own}/a/b`)
  })
})
