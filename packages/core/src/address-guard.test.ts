import { createServer } from 'node:http'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createAddressGuard, isNetwork, literalAddress } from './address-guard.ts'
import { createOutbound } from './outbound.ts'

describe('the address guard', () => {
  const guard = createAddressGuard()

  it.each([
    '127.0.0.1',
    '127.255.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::a00:1',
    '2001:0:1::1',
    '2002:7f00:1::',
    'fd00:ec2::254',
    'fe80::1',
    'ff02::1',
    'not an address',
    '',
  ])('refuses %s', (address) => {
    expect(guard(address)).toBe(false)
  })

  it.each(['8.8.8.8', '172.32.0.1', '169.253.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
    'permits the public address %s',
    (address) => {
      expect(guard(address)).toBe(true)
    },
  )

  it('permits what the operator lists, and nothing beside it', () => {
    const listed = createAddressGuard(['10.1.0.0/16', 'fd00::/8', '127.0.0.1'])
    expect(['10.1.255.1', 'fd12::1', '127.0.0.1', '8.8.8.8'].map(listed)).toEqual([true, true, true, true])
    expect(['10.2.0.1', 'fe80::1', '127.0.0.2'].map(listed)).toEqual([false, false, false])
  })

  it('takes addresses and CIDR for networks and nothing else', () => {
    expect(['10.0.0.0/8', '10.0.0.1', 'fd00::/8', '0.0.0.0/0'].every(isNetwork)).toBe(true)
    expect(
      ['10.0.0.0/33', 'fd00::/129', '10.0.0', 'example.com', '10.0.0.0/8/8', '10.0.0.0/', ''].some(isNetwork),
    ).toBe(false)
    expect(() => createAddressGuard(['example.com'])).toThrow(TypeError)
  })

  it.each([
    ['http://2130706433/', '127.0.0.1'],
    ['http://0x7f.1/', '127.0.0.1'],
    ['http://0177.0.0.1/', '127.0.0.1'],
    ['http://[::1]/', '::1'],
    ['http://[::ffff:7f00:1]/', '::ffff:7f00:1'],
    ['http://localhost/', undefined],
    ['http://example.com/', undefined],
  ])('reads the address of %s', (url, address) => {
    expect(literalAddress(new URL(url))).toBe(address)
  })
})

describe('outbound with a guard', () => {
  const listening = async () => {
    const server = createServer((_, response) => response.end('reached')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return {
      port: address.port,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      },
    }
  }
  const get = (url: string) =>
    ({
      url,
      method: 'GET',
      headers: {},
      signal: AbortSignal.timeout(5_000),
      headersTimeoutMs: 5_000,
      bodyTimeoutMs: 5_000,
    }) as const

  it('dials no refused address, named by number or by name, and says how to allow it', async () => {
    await using server = await listening()
    const outbound = createOutbound({ guard: createAddressGuard() })
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433']) {
      await expect(outbound.request(get(`http://${host}:${server.port}/`))).rejects.toMatchObject({
        code: 'UPSTREAM_UNREACHABLE',
        message: expect.stringContaining('mcp_allowed_private_networks'),
      })
    }
    await outbound.close()
  })

  it('dials the addresses it checked: of several only those that are permitted', async () => {
    await using server = await listening()
    const dialled: string[] = []
    const guard = (address: string) => {
      dialled.push(address)
      return address === '127.0.0.1'
    }
    const outbound = createOutbound({ guard })
    const response = await outbound.request(get(`http://localhost:${server.port}/`))
    await expect(response.text(100)).resolves.toBe('reached')
    expect(dialled).toContain('127.0.0.1')
    await outbound.close()
  })
})
