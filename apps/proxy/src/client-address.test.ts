import { upstreamAuthMethods } from '@toolgate/auth'
import { transports } from '@toolgate/manager'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import type { AppEnv } from './app-env.ts'
import { createClientAddress } from './client-address.ts'
import { loadSource } from './config/load.ts'
import { readEnvironment } from './config/env.ts'
import { parseSource } from './config/source.ts'

const trusting = { use_x_forwarded_for: true, mcp_trusted_proxy_ranges: ['10.0.0.0/8', 'fd00::/8'] }
const seen = async (from: string, said?: string, settings: object = trusting) => {
  const source = parseSource(JSON.stringify({ general_settings: settings }), 'test.yaml')
  const keys = { transports, authMethods: upstreamAuthMethods }
  const address = createClientAddress({ current: loadSource(source, { environment: readEnvironment({}), keys }) })
  const app = new Hono<AppEnv>().get('/', (context) => context.text(address(context)))
  const incoming = { socket: { remoteAddress: from }, rawHeaders: [] }
  const headers = new Headers(said === undefined ? {} : { 'x-forwarded-for': said })
  return (await app.request('/', { headers }, { incoming })).text()
}

describe('whose share of a limit a request is', () => {
  it('is what the nearest proxy says that is trusted, and the next one behind it', async () => {
    expect(await seen('10.1.1.1', '198.51.100.7')).toBe('198.51.100.7')
    expect(await seen('::ffff:10.1.1.1', '1.2.3.4, 198.51.100.7:5555, 10.2.2.2')).toBe('198.51.100.7')
    expect(await seen('fd00::1', '10.3.3.3, 10.2.2.2')).toBe('10.3.3.3')
    expect(await seen('10.1.1.1', '[2001:db8:1:2:3::9]:443')).toBe('2001:db8:1:2::/64')
  })

  it('is nothing that a stranger, or a proxy that is not trusted, says', async () => {
    expect(await seen('192.0.2.1', '198.51.100.7')).toBe('192.0.2.1')
    expect(await seen('10.1.1.1', '198.51.100.7', { use_x_forwarded_for: true })).toBe('10.1.1.1')
    expect(await seen('10.1.1.1', '198.51.100.7', { ...trusting, use_x_forwarded_for: false })).toBe('10.1.1.1')
    for (const said of ['', 'unknown', '198.51.100.7, x', ',']) expect(await seen('10.1.1.1', said)).toBe('10.1.1.1')
  })

  it('is of IPv6 the network of a subscriber', async () => {
    expect(await seen('2001:db8::1')).toBe(await seen('2001:db8:0:0:ffff::2'))
    expect(await seen('2001:db8::1')).not.toBe(await seen('2001:db8:0:1::1'))
    expect(await seen('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
    expect(await seen('::1')).toBe('0:0:0:0::/64')
  })
})
