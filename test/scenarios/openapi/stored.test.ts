import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { petDocument, type PetApi, startPetApi } from '@toolgate/testing/pet-api'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../../boot.ts'
import { verifies } from '../../verifies.ts'

let api: PetApi
let gateway: Booted
beforeAll(async () => {
  api = await startPetApi()
  // A file of the operator's names an address in a private network that is not listed.
  const file = join(mkdtempSync(join(tmpdir(), 'openapi-')), 'inner.json')
  writeFileSync(
    file,
    JSON.stringify({ ...petDocument(), servers: [{ url: api.origin.replace('127.0.0.1', '127.0.0.2') }] }),
  )
  gateway = await boot({
    config: {
      general_settings: { mcp_allowed_private_networks: ['127.0.0.1/32'] },
      mcp_servers: { inner: { spec_path: file } },
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await api[Symbol.asyncDispose]()
})

describe('an OpenAPI server of the API', () => {
  verifies(
    'openapi:faithful',
    'is tried out, stored, called and moved like any other, behind the address guard',
    async () => {
      const body = (over: object = {}) => ({
        server_name: 'pets',
        spec_path: api.documentUrl(),
        auth_type: 'bearer_token',
        credentials: { auth_value: 'the-token' },
        ...over,
      })
      const tried = await gateway.json('/mcp-rest/test/tools/list', { body: body() })
      expect(tried).toMatchObject({
        error: null,
        tools: expect.arrayContaining([expect.objectContaining({ name: 'list_pets' })]),
      })
      const made = await gateway.json('/v1/mcp/server', { body: body(), status: 201 })
      expect(made).toMatchObject({ transport: 'openapi', spec_path: api.documentUrl(), url: null })
      const call = (server: string, options: object = {}) =>
        gateway.json('/mcp-rest/tools/call', {
          body: { server_id: server, name: 'list_pets', arguments: {} },
          ...options,
        })
      await call('pets')
      expect(api.requests.at(-1)?.headers.get('authorization')).toBe('Bearer the-token')

      const inner = await call('inner', { status: 502 })
      expect(inner).toMatchObject({ detail: { error: 'upstream_unreachable', server: 'inner' } })
      const refused = await gateway.json('/v1/mcp/server', {
        body: body({ server_name: 'other', spec_path: 'http://127.0.0.2/openapi.json' }),
        status: 422,
      })
      expect(JSON.stringify(refused)).toContain('private or reserved network')
      await gateway.json('/v1/mcp/server', {
        body: body({ server_name: 'other', spec_path: 'file:///etc/passwd' }),
        status: 422,
      })

      // Whoever moves the document must not learn the token by it.
      const moved = await gateway.json('/v1/mcp/server', {
        method: 'PUT',
        body: { server_id: made['server_id'], spec_path: 'https://elsewhere.example/openapi.json' },
        status: 422,
      })
      expect(JSON.stringify(moved)).toContain('credentials')
      const { tools } = await gateway.json('/mcp-rest/tools/list?server_id=pets')
      expect(JSON.stringify(tools)).not.toContain('the-token')
    },
  )
})
