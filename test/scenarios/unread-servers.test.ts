import { userTokens } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, vi } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** Fakes are on loopback, which is closed to stored servers unless it is listed. */
const loopback = { general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] } }
const wrong = { timeout: 'long' }
const others = { alias: 'rp', server_id: 'repo-id' }

describe('an entry of the file that cannot be read', () => {
  for (const [form, mcp_servers, handles] of [
    ['of a list', [{ server_name: 'repo', ...others, ...wrong }], ['repo', 'rp', 'repo-id']],
    ['of a map', { repo: { ...others, ...wrong } }, ['repo', 'rp', 'repo-id']],
    ['without a name that can be read', [{ server_name: 7, ...others }], ['rp', 'repo-id']],
    [
      'that repeats a name',
      [
        { server_name: 'repo', ...wrong },
        { server_name: 'repo', ...others },
      ],
      ['rp', 'repo-id'],
    ],
    ['with an alias that cannot be read', { repo: { ...others, alias: 7 } }, ['repo', 'repo-id']],
  ] as const) {
    verifies('registry:stored-servers', `keeps its names from every stored one: ${form}`, async () => {
      await using upstream = await startRawMcpServer()
      await using gateway = await boot({ config: loopback })
      const store = (handle: string, status: number) =>
        gateway.json('/v1/mcp/server', { body: { server_name: handle, url: upstream.url }, status })
      const stored = await Promise.all(handles.map((handle) => store(handle, 201)))
      const key = await gateway.makeKey({ object_permission: { mcp_servers: [...handles] } })
      const tools = async () => (await gateway.json('/v1/mcp/tools', { key }))['tools']
      expect(await tools()).toHaveLength(handles.length)

      await gateway.reload({ ...loopback, mcp_servers })
      expect(await tools()).toEqual([])
      for (const { server_id } of stored) {
        expect(await gateway.json(`/v1/mcp/server/${String(server_id)}`)).toMatchObject({
          status: 'quarantined',
          health_check_error: expect.stringContaining('configuration file'),
        })
        await gateway.request(`/v1/mcp/server/${String(server_id)}`, { method: 'DELETE' })
      }
      for (const handle of handles) {
        expect(await store(handle, 400)).toMatchObject({ detail: { error: 'conflict', field: 'server_name' } })
      }
      expect(await tools()).toEqual([])

      await gateway.reload(loopback)
      for (const handle of handles) await store(handle, 201)
      expect(await tools()).toHaveLength(handles.length)
    })
  }

  for (const [form, repo, broken, claim] of [
    ['its name, which is their alias', others, wrong, { alias: 'repo' }],
    ['its name, which is their id', others, wrong, { server_id: 'repo' }],
    ['its alias', others, wrong, { alias: 'rp' }],
    ['its id', others, wrong, { alias: 'repo-id' }],
    ['its alias of mcp_aliases', {}, wrong, { alias: 'short' }],
    ['its name, where it is read and cannot be built', others, { transport: 'pigeon' }, { alias: 'repo' }],
    ['its name, where it is set aside for its alias', others, { alias: 'first' }, { alias: 'repo' }],
  ] as const) {
    verifies('registry:bad-one-is-alone', `keeps from entries below it ${form}`, async () => {
      await using upstream = await startRawMcpServer()
      const { url } = upstream
      const file = (change: object) => ({
        mcp_servers: { first: { url }, repo: { url, ...repo, ...change }, below: { url, ...claim }, last: { url } },
        litellm_settings: { mcp_aliases: { short: 'repo' } },
      })
      await using gateway = await boot({ config: file({}) })
      const keyOf = (...mcp_servers: string[]) => gateway.makeKey({ object_permission: { mcp_servers } })
      const ofRepo = await keyOf('repo', 'rp', 'repo-id', 'short')
      const ofOthers = await keyOf('first', 'last')
      const tools = async (key: string) => (await gateway.json('/v1/mcp/tools', { key }))['tools']
      expect(await tools(ofRepo)).toHaveLength(1)
      expect(await tools(ofOthers)).toHaveLength(2)

      const { problems } = await gateway.reload(file(broken))
      expect(problems).toContainEqual(expect.stringMatching(/^mcp_servers\.below .*already means server "repo"/))
      expect(await tools(ofRepo)).toEqual([])
      expect(await tools(ofOthers)).toHaveLength(2)
    })
  }

  verifies('registry:bad-one-is-alone', 'takes no name from an entry above it', async () => {
    await using upstream = await startRawMcpServer()
    const { url } = upstream
    const file = (change: object) => ({
      mcp_servers: { above: { url, alias: 'repo' }, repo: { url, ...others, ...change } },
    })
    await using gateway = await boot({ config: file({}) })
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['repo'] } })
    const tools = async () => (await gateway.json('/v1/mcp/tools', { key }))['tools']
    const before = await tools()
    expect(before).toHaveLength(1)
    await gateway.reload(file(wrong))
    expect(await tools()).toEqual(before)
  })

  verifies('oauth:user-tokens', 'keeps the accounts that users have at it', async () => {
    const database = await openTestDatabase()
    const entry = { url: 'https://repo.example.com/mcp', auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
    const file = (over: object, withGone: boolean) => ({
      mcp_servers: [
        { ...entry, server_name: 'listed', ...over },
        { ...entry, server_name: 'identified', server_id: 'repo-id', ...over },
        ...(withGone ? [{ ...entry, server_name: 'gone', server_id: 'gone-id' }] : []),
      ],
    })
    await using here = await boot({ database, config: file({}, true) })
    const servers = ['listed', 'identified', 'gone']
    const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: servers } })
    for (const server of servers) {
      await here.json(`/v1/mcp/server/${server}/oauth-user-credential`, { key, body: { access_token: 'token' } })
    }

    await here.reload(file({ dcr_bridge: true }, false))
    const orphans = async () =>
      (await database.db.select().from(userTokens)).flatMap(({ serverId, orphanedAt }) =>
        orphanedAt === null ? [] : [serverId],
      )
    await vi.waitFor(async () => expect(await orphans()).toContain('gone-id'), { timeout: 30_000 })
    expect(await orphans()).toEqual(['gone-id'])
  })
})
