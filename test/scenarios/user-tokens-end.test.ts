import { createSealer, deriveSealingKey } from '@toolgate/auth'
import { Secret } from '@toolgate/core'
import { migrate, openDatabase, userTokens } from '@toolgate/db'
import { createDatabase, describeOnPostgres, openTestDatabase } from '@toolgate/testing/database'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { and, eq, isNotNull, ne, sql } from 'drizzle-orm'
import { describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { watchOrphanLooks } from './orphan-looks.ts'

const permission = { object_permission: { mcp_servers: ['repo'] } }
describe('accounts at servers', () => {
  verifies('oauth:user-tokens', 'go with the key that they are of, and with the server that they are at', async () => {
    const database = await openTestDatabase()
    await using here = await boot({ database })
    const address = { transport: 'http', url: 'https://repo.example.com/mcp' }
    const server = { ...address, auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
    const { server_id: id } = await here.json('/v1/mcp/server', {
      body: { server_name: 'repo', ...server },
      status: 201,
    })
    const connected = async (request: object = {}) => {
      const key = await here.makeKey({ ...permission, ...request })
      const body = { access_token: 'token' }
      await here.json(`/v1/mcp/server/${String(id)}/oauth-user-credential`, { key, body })
      return key
    }
    const left = async () => (await database.db.select().from(userTokens)).length
    const [deleted, replaced] = [await connected(), await connected()]
    const ofUser = await connected({ user_id: 'ada' })
    expect(await left()).toBe(3)
    await here.json('/key/delete', { body: { keys: [deleted] } })
    expect(await left()).toBe(2)
    // Sealed for what it was: a new key opens nothing of it.
    await here.json('/key/regenerate', { body: { key: replaced } })
    expect(await left()).toBe(1)
    await here.json('/key/delete', { body: { keys: [ofUser] } })
    expect(await left()).toBe(1)
    const change = (to: object) =>
      here.json('/v1/mcp/server', { method: 'PUT', body: { server_id: id, ...to }, status: 202 })
    await change({ description: 'The same, in other words.' })
    expect(await left()).toBe(1)
    await change({ url: 'https://elsewhere.example.com/mcp' })
    expect(await left()).toBe(0)
    await connected({ user_id: 'ada' })
    expect(await left()).toBe(1)
    await here.request(`/v1/mcp/server/${String(id)}`, { method: 'DELETE' })
    expect(await left()).toBe(0)
  })

  verifies(
    'oauth:user-tokens',
    'outlive a mistake in the file, and go after a month without their server',
    async () => {
      const database = await openTestDatabase()
      const log = recordingLog()
      const repo = { url: 'https://repo.example.com/mcp', auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
      const keyed = { url: 'https://keyed.example.com/mcp', auth_type: 'api_key', is_byok: true }
      const config = { mcp_servers: { repo, keyed } }
      const withTypo = { mcp_servers: { rpeo: repo, keyed } }
      const looks = await watchOrphanLooks(database)
      await using here = await boot({ database, config, log })
      await looks.first()
      const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo', 'keyed'] } })
      await here.json('/v1/mcp/server/repo/oauth-user-credential', { key, body: { access_token: 'token' } })
      await here.json('/v1/mcp/server/keyed/user-credential', { key, body: { credential: 'key-of-ada' } })

      const rows = () => database.db.select().from(userTokens).where(ne(userTokens.owner, 'nobody'))
      const orphans = async () => (await rows()).filter(({ orphanedAt }) => orphanedAt !== null).length
      const reload = (next: object) => looks.after(() => here.reload(next))
      const lookedFor = (days: number) =>
        database.db
          .update(userTokens)
          .set({ orphanedFor: `${days} days` })
          .where(and(isNotNull(userTokens.orphanedAt), ne(userTokens.owner, 'nobody')))
      const said = (what: string) => log.lines.filter((line) => line.includes(what))
      const connected = async () =>
        (await here.json('/v1/mcp/server/repo/oauth-user-credential/status', { key }))['has_credential']

      await reload(withTypo)
      expect(await orphans()).toBe(1)
      expect(said('not declared any more')).toEqual([expect.stringContaining('"server":"repo"')])
      await lookedFor(29)
      await reload(config)
      expect(await orphans()).toBe(0)
      expect(await connected()).toBe(true)

      // An entry that is there and cannot be used is there.
      await reload({ mcp_servers: { repo: { ...repo, url: 7 }, keyed } })
      expect(await orphans()).toBe(0)
      await reload(config)
      expect(await connected()).toBe(true)

      await reload(withTypo)
      expect(await orphans()).toBe(1)
      await lookedFor(29)
      await reload({ mcp_servers: { keyed } })
      await reload(withTypo)
      expect(await rows()).toHaveLength(2)
      await lookedFor(31)
      // It came back at the last moment.
      await reload(config)
      expect(await orphans()).toBe(0)
      await reload(withTypo)
      expect(await orphans()).toBe(1)
      await lookedFor(31)
      await reload({ mcp_servers: { keyed } })
      expect(await rows()).toHaveLength(1)
      expect(said('was removed')).toEqual([expect.stringContaining('"server":"repo"')])
      await reload(config)
      expect(await connected()).toBe(false)
      expect(await here.json('/v1/mcp/user-credentials', { key })).toMatchObject([{ server_name: 'keyed' }])
    },
  )

  verifies(
    'oauth:user-tokens',
    'outlive an address that was mistyped for a minute, whatever is asked meanwhile',
    async () => {
      const database = await openTestDatabase()
      const log = recordingLog()
      await using there = await startRawMcpServer()
      const configOf = (url: string) => ({
        mcp_servers: {
          repo: { url, auth_type: 'oauth2', oauth2_flow: 'authorization_code' },
          keyed: { url, auth_type: 'api_key', is_byok: true },
          tickets: { url, env_vars: [{ name: 'TOKEN', scope: 'user' }] },
        },
      })
      const looks = await watchOrphanLooks(database)
      await using here = await boot({ database, log, config: configOf(there.url) })
      await looks.first()
      const reload = (next: object) => looks.after(() => here.reload(next))
      const key = await here.makeKey({
        user_id: 'ada',
        object_permission: { mcp_servers: ['repo', 'keyed', 'tickets'] },
      })
      await here.json('/v1/mcp/server/repo/oauth-user-credential', { key, body: { access_token: 'token' } })
      await here.json('/v1/mcp/server/keyed/user-credential', { key, body: { credential: 'key-of-ada' } })
      await here.json('/v1/mcp/server/tickets/user-env-vars', { key, body: { values: { TOKEN: 'token' } } })
      const connected = async () => await here.json('/v1/mcp/user-credentials', { key })
      const before = await connected()
      expect(before).toHaveLength(2)

      const mistyped = configOf(there.url.replace('/mcp', '/mpc'))
      const rows = () => database.db.select().from(userTokens).where(ne(userTokens.owner, 'nobody'))
      const marked = async () => (await rows()).filter(({ orphanedAt }) => orphanedAt !== null).length

      await reload(mistyped)
      await here.json('/mcp-rest/tools/list', { key })
      await here.json('/v1/mcp/server', { key })
      expect(await connected()).toEqual([])
      expect(await marked()).toBe(3)
      const said = log.lines.filter((line) => line.includes('has another address or client now'))
      expect(new Set(said.map((line) => JSON.parse(line).server))).toEqual(new Set(['repo', 'keyed', 'tickets']))
      await reload(configOf(there.url))
      expect(await connected()).toEqual(before)
      expect(await marked()).toBe(0)

      // It was none: the server has moved.
      await reload(mistyped)
      await database.db.update(userTokens).set({ orphanedFor: '30 days' })
      await reload(mistyped)
      expect(await rows()).toEqual([])
    },
  )

  verifies('oauth:user-tokens', 'outlive a mark of long ago, and any time in which no gateway ran', async () => {
    const database = await openTestDatabase()
    await using _ = { [Symbol.asyncDispose]: () => database.close() }
    const shared = { ...database, close: async () => {} }
    const repo = { url: 'https://repo.example.com/mcp', auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
    const config = { mcp_servers: { repo } }
    await using here = await boot({ database: shared, config })
    const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo'] } })
    await here.json('/v1/mcp/server/repo/oauth-user-credential', { key, body: { access_token: 'token' } })
    const isOfAda = eq(userTokens.owner, 'ada')
    const rows = () => database.db.select().from(userTokens).where(isOfAda)
    const markedBefore = (days: number, orphanedFor: string | null) =>
      database.db
        .update(userTokens)
        .set({ orphanedAt: sql`now() - ${days} * interval '1 day'`, orphanedFor })
        .where(isOfAda)

    const log = recordingLog()
    const removed = () => log.lines.filter((line) => line.includes('was removed'))
    const looks = await watchOrphanLooks(database)
    await markedBefore(31, null)
    await using other = await boot({ database: shared, log })
    await looks.first()
    expect(await rows()).toMatchObject([{ orphanedFor: '02:00:00' }])
    await markedBefore(365, '29 days 21:59:00')
    await looks.after(() => other.reload({}))
    expect(await rows()).toHaveLength(1)
    expect(removed()).toEqual([])
    await looks.after(() => here.reload(config))
    expect(await rows()).toMatchObject([{ orphanedAt: null }])

    // It starts anew, for what was forgotten does not count any more.
    await looks.after(() => other.reload({}))
    expect(await rows()).toMatchObject([{ orphanedFor: '00:00:00' }])
    await markedBefore(1, '29 days 22:01:00')
    await looks.after(() => other.reload({}))
    expect(await rows()).toEqual([])
    // By a gateway that never knew the server.
    expect(removed()).toEqual([expect.stringContaining('"server":"repo"')])
  })

  verifies('oauth:user-tokens', 'outlive a gateway that knows their server as it was before', async () => {
    const database = await openTestDatabase()
    await using _ = { [Symbol.asyncDispose]: () => database.close() }
    await using former = await startRawMcpServer()
    await using next = await startRawMcpServer()
    const sealer = createSealer({ keys: [deriveSealingKey(new Secret('a key of this test'))] })
    const start = (url: string) => {
      const repo = { url, auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
      const keyed = { url, auth_type: 'api_key', is_byok: true }
      const shared = { ...database, close: async () => {} }
      return boot({ database: shared, sealer, config: { mcp_servers: { repo, keyed } } })
    }
    await using here = await start(former.url)
    await using replaced = await start(next.url)
    const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo', 'keyed'] } })
    await replaced.json('/v1/mcp/server/repo/oauth-user-credential', { key, body: { access_token: 'token' } })
    await replaced.json('/v1/mcp/server/keyed/user-credential', { key, body: { credential: 'key-of-ada' } })
    const called = (gateway: Booted, status: number) =>
      Promise.all(
        ['repo', 'keyed'].map((server_id) =>
          gateway.json('/mcp-rest/tools/call', { key, status, body: { server_id, name: 'echo', arguments: {} } }),
        ),
      )
    await called(here, 401)
    await using restarted = await start(former.url)
    await called(restarted, 401)
    expect(await database.db.select().from(userTokens)).toHaveLength(2)
    await called(replaced, 200)
    expect(former.requests.filter(({ raw }) => /Bearer token|key-of-ada/.test(raw))).toEqual([])
  })
})

describeOnPostgres('a database that keeps a look for orphans waiting', (server) => {
  verifies('oauth:user-tokens', 'holds up neither a reload nor the end of a gateway', async () => {
    const database = await openDatabase({ url: await createDatabase(await server()) })
    await using _ = { [Symbol.asyncDispose]: () => database.close() }
    await migrate(database)
    const log = recordingLog()
    const here = await boot({ database: { ...database, close: async () => {} }, log })
    const gone = { url: 'https://gone.example.com/mcp' }
    await database.db.transaction(async (within) => {
      await within.execute(sql`lock table user_tokens in access exclusive mode`)
      await here.reload({ mcp_servers: { gone } })
      await here[Symbol.asyncDispose]()
    })
    // Neither was over only because the look had been given up.
    expect(log.lines.filter((line) => line.includes('could not be looked for'))).toEqual([])
  })
})
