import { readFileSync } from 'node:fs'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** The rows of the one table of `docs/authentication.md`: who presents what to whom, in which order. */
const rows = readFileSync(new URL('../../docs/authentication.md', import.meta.url), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, label, , to, presents] = /^\| (\w) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|/.exec(line) ?? []
    return label === undefined ? [] : [{ label, to, presents: presents ?? '' }]
  })
const presentedTo = (party: string) => rows.filter(({ to }) => to === party).map(({ presents }) => presents)

/** What a row means in a request. */
const keyHeaders: Readonly<Record<string, { readonly header: string; readonly shared: boolean }>> = {
  '`litellm_key_header_name`': { header: 'x-our-key', shared: false },
  '`x-litellm-api-key`': { header: 'x-litellm-api-key', shared: false },
  '`x-litellm-key`': { header: 'x-litellm-key', shared: false },
  '`Authorization: Bearer`': { header: 'authorization', shared: true },
  '`api-key`': { header: 'api-key', shared: true },
  '`x-api-key`': { header: 'x-api-key', shared: true },
  '`x-goog-api-key`': { header: 'x-goog-api-key', shared: true },
}
const brought: Readonly<Record<string, (server: string) => Readonly<Record<string, string>>>> = {
  '`x-mcp-{alias}-{header}`': (server) => ({ [`x-mcp-${server}-authorization`]: 'Bearer by-name' }),
  '`Authorization` of the request': () => ({ authorization: 'Bearer declared' }),
  '`x-mcp-auth`': () => ({ 'x-mcp-auth': 'Bearer without-a-name' }),
}
/** Row → the `Authorization` that the server sees. */
const seen: Readonly<Record<string, string>> = {
  '`x-mcp-{alias}-{header}`': 'Bearer by-name',
  '`Authorization` of the request': 'Bearer declared',
  '`x-mcp-auth`': 'Bearer without-a-name',
  'client-credentials token': 'Bearer token-1',
  'the token that the user has there': 'Bearer of-the-account',
  'the key that the user has set there': 'Bearer key-of-the-user',
  'static value': 'Bearer of-the-operator',
}

const ofUsers = new Set(['the token that the user has there', 'the key that the user has set there'])

const behind = new AsyncDisposableStack()
let upstream: RawMcpServer
let gateway: Booted
let connected: string
let unconnected: string
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  const { tokenUrl } = behind.use(await startOauthServer())
  const both = { url: upstream.url, auth_type: 'oauth2', authentication_token: 'of-the-operator' }
  const client = { token_url: tokenUrl, client_id: 'id', client_secret: 'secret' }
  gateway = behind.use(
    await boot({
      config: {
        general_settings: { litellm_key_header_name: 'X-Our-Key' },
        mcp_servers: {
          machine: { ...both, ...client, oauth2_flow: 'client_credentials', extra_headers: ['Authorization'] },
          account: { ...both, oauth2_flow: 'authorization_code' },
          keyed: { ...both, auth_type: 'bearer_token', is_byok: true, extra_headers: ['Authorization'] },
        },
      },
    }),
  )
  const object_permission = { mcp_servers: ['machine', 'account', 'keyed'] }
  connected = await gateway.makeKey({ user_id: 'ada', object_permission })
  unconnected = await gateway.makeKey({ user_id: 'bob', object_permission })
  const body = { access_token: 'of-the-account', expires_in: 3600 }
  await gateway.json('/v1/mcp/server/account/oauth-user-credential', { key: connected, body })
  const own = { credential: 'key-of-the-user' }
  await gateway.json('/v1/mcp/server/keyed/user-credential', { key: connected, body: own })
})
afterAll(() => behind.disposeAsync())

const models = async (headers: Readonly<Record<string, string>>) =>
  (await gateway.request('/v1/models', { key: null, headers })).status

describe('the table of docs/authentication.md', () => {
  it('has the rows that are held here, and no other', () => {
    expect(rows.map(({ label }) => label).join('')).toBe('1234567abcdefg')
    expect(presentedTo('gateway').toSorted()).toEqual(Object.keys(keyHeaders).toSorted())
    expect(presentedTo('server').toSorted()).toEqual(Object.keys(seen).toSorted())
  })

  verifies('identity:documented-order', 'says which credential of a request is for the gateway', async () => {
    const order = presentedTo('gateway').flatMap((presents) => keyHeaders[presents] ?? [])
    for (const [index, { header }] of order.entries()) {
      const later = order.slice(index + 1)
      const others = later.filter((one) => one.shared).map((one) => [one.header, 'Bearer of-an-upstream'])
      expect([header, await models({ ...Object.fromEntries(others), [header]: connected })]).toEqual([header, 200])
      for (const one of later) {
        const wrong = await models({ [header]: 'sk-of-nobody', [one.header]: connected })
        expect([header, one.header, wrong]).not.toEqual([header, one.header, 200])
      }
    }
  })

  for (const [server, absent] of [
    ['machine', ['the token that the user has there', 'the key that the user has set there', 'static value']],
    ['account', ['client-credentials token', 'the key that the user has set there']],
    ['keyed', ['client-credentials token', 'the token that the user has there', 'static value']],
  ] as const) {
    verifies('identity:documented-order', `says which credential a server is presented: ${server}`, async () => {
      const order = presentedTo('server').filter((presents) => !absent.some((one) => one === presents))
      for (const [index, presents] of order.entries()) {
        const rest = order.slice(index)
        const headers = Object.assign({}, ...rest.map((one) => brought[one]?.(server) ?? {}))
        const key = rest.some((one) => ofUsers.has(one)) ? connected : unconnected
        await gateway.json('/mcp-rest/tools/call', {
          key: null,
          headers: { ...headers, 'x-our-key': key },
          body: { server_id: server, name: 'echo' },
        })
        expect([presents, upstream.received('tools/call').at(-1)?.headers.authorization]).toEqual([
          presents,
          seen[presents],
        ])
      }
    })
  }
})
