import { type Database, userTokens } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { z } from 'zod'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { brokenServers, keyPath, secretServers, variablesPath } from './user-secret-servers.ts'

const log = recordingLog()
const behind = new AsyncDisposableStack()
let upstream: RawMcpServer
let other: RawMcpServer
let gateway: Booted
let database: Database
let ada: string
let bob: string
let servers: string[]
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  other = behind.use(await startRawMcpServer())
  database = await openTestDatabase()
  const taking = secretServers(upstream.url, other.url)
  servers = Object.keys(taking)
  const mcp_servers = { ...taking, ...brokenServers(upstream.url) }
  gateway = behind.use(await boot({ log, database, config: { mcp_servers } }))
  const grant = { object_permission: { mcp_servers: servers } }
  ada = await gateway.makeKey({ user_id: 'ada', ...grant })
  bob = await gateway.makeKey({ user_id: 'bob', ...grant })
})
afterAll(() => behind.disposeAsync())

const call = (server_id: string, key: string, options: object = {}) =>
  gateway.json('/mcp-rest/tools/call', { key, body: { server_id, name: 'echo', arguments: {} }, ...options })
const seen = () => upstream.received('tools/call').at(-1)?.headers
const explained = async (server: string, key: string) =>
  (await gateway.json(`/v1/mcp/explain?server=${server}`, { key }))['credential']
const list = (server: string, key: string, options: object = {}) =>
  gateway.json(`/mcp-rest/tools/list?server_id=${server}`, { key, ...options })
/** What the table of servers says, of those that take a credential of users. */
const hasCredential = async (key: string, of: Booted = gateway) => {
  const servers = z.array(tableRow).parse(await (await of.request('/v1/mcp/server', { key })).json())
  const told = servers.map(({ server_name, has_user_credential }) => [server_name, has_user_credential] as const)
  return Object.fromEntries(told.filter(([, has]) => has !== null))
}
const tableRow = z.object({ server_name: z.string(), has_user_credential: z.boolean().nullable() })

describe('a key that each user brings', () => {
  verifies('identity:user-keys', 'is asked for by name and place, and nothing weaker is presented', async () => {
    const before = upstream.received('tools/call').length
    expect(await hasCredential(ada)).toEqual({ own: false, shared: false, basic: false })
    for (const server of ['own', 'shared']) {
      const answer = await call(server, ada, { status: 401 })
      expect(answer).toMatchObject({ detail: { error: 'byok_auth_required', server, server_name: server } })
      expect(JSON.stringify(answer)).toContain('/user-credential')
      expect(await explained(server, ada)).toMatchObject({ source: 'missing', resolution: 'missing' })
    }
    expect(await list('own', ada, { status: 401 })).toEqual(await call('own', ada, { status: 401 }))
    expect(upstream.received('tools/call')).toHaveLength(before)
  })

  verifies('identity:user-keys', 'is written as the method writes its own, for its user alone', async () => {
    for (const [server, header, written] of [
      ['own', 'x-api-key', 'key-of-ada'],
      ['shared', 'authorization', 'Bearer key-of-ada'],
      ['basic', 'authorization', `Basic ${Buffer.from('ada:key-of-ada').toString('base64')}`],
    ] as const) {
      const credential = server === 'basic' ? 'ada:key-of-ada' : 'key-of-ada'
      const kept = await gateway.json(keyPath(server), { key: ada, body: { credential } })
      expect(kept).toEqual({ server_id: kept['server_id'], has_credential: true })
      await call(server, ada)
      expect(seen()?.[header]).toBe(written)
      await call(server, bob, { status: 401 })
    }
    expect(await explained('own', ada)).toMatchObject({ source: 'user_key', resolution: 'per-user-key' })
    expect(await hasCredential(ada)).toEqual({ own: true, shared: true, basic: true })
    expect(await hasCredential(bob)).toEqual({ own: false, shared: false, basic: false })
    expect(await gateway.json('/v1/mcp/server/own', { key: ada })).toMatchObject({ has_user_credential: true })
    // The master key is nobody's in particular and has none.
    expect(await hasCredential(gateway.masterKey)).toEqual({ own: false, shared: false, basic: false })
    expect(await gateway.json('/v1/mcp/user-credentials', { key: ada })).toMatchObject([
      { server_name: 'own', credential_type: 'byok', has_credential: true, expires_at: null },
      { server_name: 'shared' },
      { server_name: 'basic' },
    ])
    await gateway.json(keyPath('own'), { key: bob, body: { credential: 'key-of-bob' } })
    await call('own', bob)
    expect(seen()?.['x-api-key']).toBe('key-of-bob')
    const sessions = upstream.received('initialize').map(({ headers }) => headers['x-api-key'])
    expect(sessions).toEqual(expect.arrayContaining(['key-of-ada', 'key-of-bob']))
    await call('elsewhere', ada)
    expect(JSON.stringify(other.requests)).not.toContain('key-of')
    await gateway.request(keyPath('own'), { key: ada, method: 'DELETE' })
    await gateway.request(keyPath('own'), { key: bob, method: 'DELETE' })
    await call('own', ada, { status: 401 })
  })

  verifies('identity:user-keys', 'is in no line of the log, however the server repeats it', async () => {
    const decoded = (header = '') => Buffer.from(header.replace('Basic ', ''), 'base64').toString()
    upstream.answer(({ message, headers: { authorization } }) =>
      message['method'] === 'tools/call' ? { status: 500, body: `who is ${decoded(authorization)}?` } : undefined,
    )
    await gateway.json(keyPath('basic'), { key: ada, body: { credential: 'ada:secret-key-of-ada' } })
    const answer = await call('basic', ada, { status: 502 })
    upstream.answer(() => undefined)
    expect(log.lines.join('\n')).toContain('who is [redacted]?')
    expect(log.lines.join('\n') + JSON.stringify(answer)).not.toContain('secret-key-of-ada')
  })

  verifies('identity:user-keys', 'is replaced, though what was there cannot be opened any more', async () => {
    await gateway.json(keyPath('own'), { key: ada, body: { credential: 'a-lost-key' } })
    await database.db.update(userTokens).set({ sealed: 'eyJ.damaged' }).where(eq(userTokens.owner, 'ada'))
    await gateway.json(keyPath('own'), { key: ada, body: { credential: 'a-new-key' } })
    await call('own', ada)
    expect(seen()?.['x-api-key']).toBe('a-new-key')
    await database.db.delete(userTokens).where(eq(userTokens.owner, 'ada'))
  })

  verifies('identity:user-keys', 'is to be replaced where its server refuses it, and leads to no sign-in', async () => {
    await gateway.json(keyPath('own'), { key: ada, body: { credential: 'a-former-key' } })
    const challenge = { 'www-authenticate': 'Bearer resource_metadata="https://elsewhere.example/"' }
    upstream.answer(({ headers }) =>
      headers['x-api-key'] === 'a-former-key' ? { status: 401, headers: challenge } : undefined,
    )
    const refused = {
      error: 'byok_auth_required',
      server: 'own',
      setup_url: expect.stringContaining('/user-credential'),
    }
    expect(await call('own', ada, { status: 401 })).toMatchObject({ detail: refused })
    const answer = await gateway.request('/mcp/own', {
      key: ada,
      headers: { accept: 'application/json, text/event-stream' },
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } },
    })
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([200, null])
    expect(await answer.text()).toContain('refused what was asked with the key that you have set')
    await gateway.json(keyPath('own'), { key: ada, body: { credential: 'a-new-key' } })
    await call('own', ada)
    upstream.answer(() => undefined)
    await gateway.request(keyPath('own'), { key: ada, method: 'DELETE' })
  })

  verifies('identity:user-keys', 'is refused where it could not count, and for nobody in particular', async () => {
    await gateway.json(keyPath('filled'), { key: ada, body: { credential: 'x' }, status: 400 })
    await gateway.json(keyPath('own'), { body: { credential: 'x' }, status: 400 })
    await gateway.json(keyPath('own'), { key: ada, body: { credential: 'a\nb' }, status: 400 })
    expect(log.lines.filter((line) => line.includes('server left out'))).toEqual([
      expect.stringContaining('mcp_servers.unset.env_vars[0] must have a value, or scope: user'),
      expect.stringContaining('mcp_servers.unfit.is_byok needs an auth_type that presents one value'),
      expect.stringContaining('mcp_servers.covered.static_headers must not hold x-api-key'),
    ])
  })
})

describe('variables that each user sets', () => {
  verifies('identity:user-variables', 'are named where they are missing', async () => {
    expect(await call('filled', ada, { status: 412 })).toMatchObject({
      detail: {
        error: 'missing_user_env_vars',
        server_name: 'filled',
        missing: ['TOKEN', 'TENANT'],
        setup_url: expect.stringContaining('/user-env-vars'),
      },
    })
    await gateway.json(variablesPath('filled'), { key: ada, body: { values: { TOKEN: 'first-of-ada' } } })
    expect(await call('filled', ada, { status: 412 })).toMatchObject({ detail: { missing: ['TENANT'] } })
    expect(await explained('filled', ada)).toMatchObject({ source: 'missing', missing_variables: ['TENANT'] })
    expect(await list('filled', bob, { status: 412 })).toMatchObject({
      detail: { error: 'missing_user_env_vars', missing: ['TOKEN', 'TENANT'] },
    })
    expect(await list('filled', bob, { status: 412 })).toEqual(await call('filled', bob, { status: 412 }))
    const health: unknown = await (await gateway.request('/v1/mcp/server/health')).json()
    // Those that need their users: own, basic, filled and local. Nobody is needed elsewhere, and not where the gateway has a key.
    expect(JSON.stringify(health).match(/"status":"needs_auth"/g)).toHaveLength(4)
  })

  verifies('identity:user-variables', 'and a key that is missing, are named at every door', async () => {
    for (const [server, said] of [
      ['filled', 'TENANT'],
      ['own', 'a key of your own'],
    ] as const) {
      for (const [method, params] of [
        ['tools/call', { name: 'echo', arguments: {} }],
        ['tools/list', {}],
      ] as const) {
        const answer = await gateway.request(`/mcp/${server}`, {
          key: bob,
          headers: { accept: 'application/json, text/event-stream' },
          body: { jsonrpc: '2.0', id: 1, method, params },
        })
        const text = await answer.text()
        // No client is sent to a sign-in that would not help.
        expect(answer.status).toBe(200)
        expect(text).toContain(said)
        expect(text).toContain('/user-')
      }
    }
  })

  verifies('identity:user-variables', 'fill in headers, and environments of processes of their own', async () => {
    for (const [key, name] of [
      [ada, 'ada'],
      [bob, 'bob'],
    ] as const) {
      const values = { TOKEN: `token-of-${name}`, TENANT: name }
      const set = await gateway.json(variablesPath('filled'), { key, body: { values } })
      expect(set).toMatchObject({ missing_count: 0, required: [{ name: 'TOKEN', is_set: true }, { name: 'TENANT' }] })
      expect(JSON.stringify(set)).not.toContain('token-of')
      await gateway.json(variablesPath('local'), { key, body: { values: { TOKEN: `token-of-${name}` } } })
      await call('filled', key)
      expect(seen()).toMatchObject({ 'x-token': `Key token-of-${name}`, 'x-at': `north/${name}` })
      expect(JSON.stringify(await call('local', key))).toContain(`Key token-of-${name}`)
    }
    await call('filled', ada)
    expect(seen()).toMatchObject({ 'x-token': 'Key token-of-ada' })
    expect(await explained('filled', ada)).toMatchObject({ source: 'user_variables' })
    // A process keeps what it was started with: other values are another process.
    await gateway.json(variablesPath('local'), { key: ada, body: { values: { TOKEN: 'second-of-ada' } } })
    expect(JSON.stringify(await call('local', ada))).toContain('Key second-of-ada')
    expect(JSON.stringify(await call('local', bob))).toContain('Key token-of-bob')
  })

  verifies('identity:user-variables', 'are all kept, where several are set at once', async () => {
    const cyd = await gateway.makeKey({ user_id: 'cyd', object_permission: { mcp_servers: servers } })
    const sets = [{ TOKEN: 'one' }, { TENANT: 'two' }, { TOKEN: 'one' }].map((values) =>
      gateway.json(variablesPath('filled'), { key: cyd, body: { values } }),
    )
    const keys = ['first', 'second', 'third'].map((credential) =>
      gateway.json(keyPath('own'), { key: cyd, body: { credential } }),
    )
    await Promise.all([...sets, ...keys])
    await call('filled', cyd)
    expect(seen()).toMatchObject({ 'x-token': 'Key one', 'x-at': 'north/two' })
    await call('own', cyd)
  })

  verifies('identity:user-variables', 'are kept sealed, never told, and forgotten when asked to', async () => {
    const rows = await database.db.select().from(userTokens)
    expect(JSON.stringify(rows)).not.toMatch(/of-(?:ada|bob)/)
    expect(log.lines.join()).not.toMatch(/(?:token|first|second|key)-of-(?:ada|bob)/)
    expect(JSON.stringify(other.requests)).not.toMatch(/of-(?:ada|bob)/)
    const status: unknown = await (await gateway.request('/v1/mcp/user-env-vars/status', { key: bob })).json()
    expect(status).toMatchObject([
      { server_name: 'filled', missing_count: 0 },
      { server_name: 'local', missing_count: 0 },
    ])
    await gateway.json(variablesPath('filled'), { key: ada, body: { values: { TENANT: null } } })
    expect(await call('filled', ada, { status: 412 })).toMatchObject({ detail: { missing: ['TENANT'] } })
    await gateway.request(variablesPath('filled'), { key: bob, method: 'DELETE' })
    await call('filled', bob, { status: 412 })
    await gateway.json(variablesPath('filled'), { key: ada, body: { values: { OTHER: 'x' } }, status: 422 })
    await gateway.json(variablesPath('filled'), { key: ada, body: { values: { TOKEN: 'a\r\nb: c' } }, status: 422 })
  })
})

describe('what users have handed over', () => {
  verifies('identity:user-keys', 'is for the address of then, and does not come back with it', async () => {
    const config = (url: string) => ({
      mcp_servers: {
        moved: {
          url,
          auth_type: 'api_key',
          is_byok: true,
          env_vars: [{ name: 'TOKEN', scope: 'user' }],
          static_headers: { 'X-Token': '${TOKEN}' },
        },
      },
    })
    await using moving = await boot({ config: config(upstream.url) })
    const key = await moving.makeKey({ user_id: 'eve', object_permission: { mcp_servers: ['moved'] } })
    const ask = (status: number) =>
      moving.json('/mcp-rest/tools/call', { key, status, body: { server_id: 'moved', name: 'echo', arguments: {} } })
    await moving.json(keyPath('moved'), { key, body: { credential: 'key-of-eve' } })
    await moving.json(variablesPath('moved'), { key, body: { values: { TOKEN: 'token-of-eve' } } })
    await ask(200)
    expect(seen()).toMatchObject({ 'x-api-key': 'key-of-eve', 'x-token': 'token-of-eve' })
    await moving.reload(config(other.url))
    await ask(401)
    await moving.json(keyPath('moved'), { key, body: { credential: 'another' } })
    expect(await ask(412)).toMatchObject({ detail: { missing: ['TOKEN'] } })
    expect(JSON.stringify(other.requests)).not.toContain('of-eve')
    await moving.reload(config(upstream.url))
    await ask(401)
  })
})
