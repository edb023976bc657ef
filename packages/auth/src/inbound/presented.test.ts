import type { Forwarded, Secret } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { type HeaderNames, mergeForwarded, readPresented } from './presented.ts'

const gatewayKey = 'sk-canary-gateway-key-0001'

const read = (headers: Record<string, string>, names: HeaderNames = {}) => readPresented(new Headers(headers), names)

const credential = (headers: Record<string, string>, names?: HeaderNames) => read(headers, names).credential?.reveal()

const revealed = (entries: ReadonlyMap<string, Secret>) =>
  Object.fromEntries([...entries].map(([name, value]) => [name, value.reveal()]))

const shown = ({ authorization, legacyAuth, serverHeaders, headers, cookies }: Forwarded) => ({
  authorization: authorization?.reveal(),
  legacyAuth: legacyAuth?.reveal(),
  serverHeaders: revealed(serverHeaders),
  headers: revealed(headers),
  cookies: revealed(cookies),
})

const nothing = { authorization: undefined, legacyAuth: undefined, serverHeaders: {}, headers: {}, cookies: {} }

describe('the credential for the gateway', () => {
  const everywhere = {
    'x-company-key': 'k1',
    'x-litellm-api-key': 'k1',
    'x-litellm-key': 'k1',
    authorization: 'Bearer k4',
    'api-key': 'k5',
    'x-api-key': 'k6',
    'x-goog-api-key': 'k7',
  }

  it.each([
    ['x-company-key', 'k1'],
    ['x-litellm-api-key', 'k1'],
    ['x-litellm-key', 'k1'],
    ['authorization', 'k4'],
    ['api-key', 'k5'],
    ['x-api-key', 'k6'],
    ['x-goog-api-key', 'k7'],
  ])('is taken from %s where no header before it is present', (name, key) => {
    const from = Object.keys(everywhere).indexOf(name)
    const headers = Object.fromEntries(Object.entries(everywhere).slice(from))
    expect(credential(headers, { keyHeaderName: 'X-Company-Key' })).toBe(key)
  })

  it.each(['x-litellm-api-key', 'x-litellm-key', 'authorization', 'x-api-key'])(
    'may say Bearer in %s, in any case',
    (name) => {
      expect(credential({ [name]: `bearer  ${gatewayKey}` })).toBe(gatewayKey)
      expect(credential({ [name]: gatewayKey })).toBe(gatewayKey)
    },
  )

  it('is refused when the headers that are only ours hold different keys', () => {
    expect(() => read({ 'x-litellm-api-key': 'sk-one', 'x-litellm-key': 'sk-two' })).toThrow(
      expect.objectContaining({
        code: 'CREDENTIAL_CONFLICT',
        message: expect.stringMatching(/x-litellm-api-key and x-litellm-key/),
      }),
    )
    expect(credential({ 'x-litellm-api-key': 'sk-one', 'x-litellm-key': 'Bearer sk-one' })).toBe('sk-one')
  })

  it('is not a header that is empty, nor Authorization of another scheme', () => {
    expect(credential({ 'x-litellm-api-key': '', authorization: 'Bearer ', 'x-api-key': 'k' })).toBe('k')
    const basic = read({ authorization: 'Basic dTpw', 'api-key': 'k' })
    expect(basic.credential?.reveal()).toBe('k')
    expect(basic.forwarded.authorization?.reveal()).toBe('Basic dTpw')
    expect(credential({})).toBeUndefined()
  })
})

describe('what is set aside for upstreams', () => {
  it('is every credential header after the one that was ours', () => {
    const { forwarded } = read({ 'x-litellm-api-key': gatewayKey, authorization: 'Bearer theirs', 'x-api-key': 'a' })
    expect(shown(forwarded)).toEqual({ ...nothing, authorization: 'Bearer theirs', headers: { 'x-api-key': 'a' } })
    expect(shown(read({ authorization: `Bearer ${gatewayKey}`, 'x-api-key': 'a' }).forwarded)).toEqual({
      ...nothing,
      headers: { 'x-api-key': 'a' },
    })
  })

  it('is end-to-end headers only: nothing of the connection, of MCP sessions or for the gateway', () => {
    const { forwarded } = readPresented([
      ['Authorization', `Bearer ${gatewayKey}`],
      ['Connection', 'keep-alive, X-Hop'],
      ['X-Hop', '1'],
      ['Keep-Alive', '5'],
      ['Transfer-Encoding', 'chunked'],
      ['TE', 'trailers'],
      ['Upgrade', 'h2c'],
      ['Proxy-Authorization', 'Basic x'],
      ['Host', 'gate'],
      ['Content-Length', '2'],
      ['Mcp-Session-Id', 's'],
      ['MCP-Protocol-Version', '2025-11-25'],
      ['X-MCP-Servers', 'git'],
      ['X-Tenant', 'acme'],
      ['User-Agent', 'agent'],
    ])
    expect(shown(forwarded)).toEqual({ ...nothing, headers: { 'x-tenant': 'acme', 'user-agent': 'agent' } })
  })

  it('is x-mcp- headers by server, without those that speak to the gateway', () => {
    const { forwarded } = read({
      'x-mcp-git-authorization': 'Bearer g',
      'x-mcp-auth': 'legacy',
      'x-mcp-servers': 'git',
      'x-mcp-access-groups': 'dev',
      'x-mcp-toolset-id': '7',
    })
    expect(shown(forwarded)).toEqual({
      ...nothing,
      legacyAuth: 'legacy',
      serverHeaders: { 'git-authorization': 'Bearer g' },
    })
  })

  it('takes the legacy header under the name it was given', () => {
    const { forwarded } = read({ 'x-upstream': 'v' }, { legacyAuthHeaderName: 'X-Upstream' })
    expect(shown(forwarded)).toEqual({ ...nothing, legacyAuth: 'v' })
  })

  it('is cookies by name, values as sent', () => {
    const { forwarded } = read({ cookie: 'sid=a=b; theme="dark";; broken; =x' })
    expect(shown(forwarded).cookies).toEqual({ sid: 'a=b', theme: '"dark"' })
  })

  it("never holds the gateway's key, wherever else the caller put it", () => {
    const { forwarded } = read({
      'x-litellm-api-key': `Bearer ${gatewayKey}`,
      'x-litellm-key': gatewayKey,
      authorization: `Bearer ${gatewayKey}`,
      'x-api-key': gatewayKey,
      'x-mcp-auth': `Bearer ${gatewayKey}`,
      'x-mcp-git-authorization': `Basic ${Buffer.from(`user:${gatewayKey}`).toString('base64')}`,
      'x-mcp-git-x-token': 'theirs',
      'x-other': `token=${gatewayKey}`,
      cookie: `key=${gatewayKey.replaceAll('-', '%2D')}; theme=dark`,
    })
    expect(shown(forwarded)).toEqual({
      ...nothing,
      serverHeaders: { 'git-x-token': 'theirs' },
      cookies: { theme: 'dark' },
    })
  })

  it('keeps what only resembles a short key', () => {
    const { forwarded } = read({ 'x-litellm-api-key': 'dark', 'x-api-key': 'dark', cookie: 'theme=darker' })
    expect(shown(forwarded)).toEqual({ ...nothing, headers: { cookie: 'theme=darker' }, cookies: { theme: 'darker' } })
  })
})

describe("the headers of a chat request's tools entry", () => {
  it('win over those of the request, and cannot bring a key for the gateway', () => {
    const { credential, forwarded } = read({
      authorization: `Bearer ${gatewayKey}`,
      'x-tenant': 'a',
      'x-mcp-git-k': '1',
    })
    const merged = mergeForwarded(
      forwarded,
      {
        Authorization: `Bearer ${gatewayKey}`,
        'x-litellm-api-key': 'sk-somebody-else',
        'X-Company-Key': 'sk-somebody-else',
        'x-mcp-servers': 'git',
        'X-Tenant': 'b',
        'x-mcp-git-k': '2',
        'x-mcp-wiki-k': '3',
      },
      { credential, keyHeaderName: 'x-company-key' },
    )
    expect(shown(merged)).toEqual({
      ...nothing,
      headers: { 'x-tenant': 'b' },
      serverHeaders: { 'git-k': '2', 'wiki-k': '3' },
    })
  })

  it('bring an Authorization of their own where it is not the key', () => {
    const { credential, forwarded } = read({ 'x-api-key': gatewayKey })
    const merged = mergeForwarded(forwarded, { authorization: 'Bearer theirs' }, { credential })
    expect(shown(merged)).toEqual({ ...nothing, authorization: 'Bearer theirs' })
  })

  it('reads cookies of several headers as one list, as HTTP/2 front ends send them', () => {
    const { forwarded } = readPresented(
      [
        ['cookie', 'session=one'],
        ['Cookie', 'other=two'],
      ],
      {},
    )
    expect([...forwarded.cookies].map(([name, value]) => [name, value.reveal()])).toEqual([
      ['session', 'one'],
      ['other', 'two'],
    ])
  })
})
