import { userTokens } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

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
    const permission = { object_permission: { mcp_servers: ['repo'] } }
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
    await here.request(`/v1/mcp/server/${String(id)}`, { method: 'DELETE' })
    expect(await left()).toBe(0)
  })
})
