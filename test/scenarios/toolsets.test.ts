import { isJsonObject, type JsonObject } from '@toolgate/core'
import { openTestDatabase } from '@toolgate/testing/database'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { describedTool, offersTools } from '@toolgate/testing/mcp-catalog'
import { startFaultyMcpServers } from '@toolgate/testing/mcp-faulty'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, offeredIn, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
let gateway: Booted
let key: string
let daily: unknown

const tools = (...names: string[]) => names.map((tool_name) => ({ server_id: 'files', tool_name }))
const namesIn = (answer: JsonObject | Record<string, unknown>) => {
  const listed = answer['tools']
  return Array.isArray(listed) ? listed.map((tool: unknown) => (isJsonObject(tool) ? tool['name'] : undefined)) : []
}
const listed = async (path: string, as = key) => namesIn(await gateway.json(path, { key: as }))
const call = async (name: string, as = key) =>
  (await gateway.request('/mcp/tools/call', { key: as, body: { name } })).status
const rpc = async (path: string, method: string, { as = key, params = {} }: { as?: string; params?: object } = {}) => {
  const body = { jsonrpc: '2.0', id: 1, method, params }
  const response = await gateway.request(path, { key: as, body })
  const answer: unknown = await response.json()
  return { status: response.status, answer }
}

beforeAll(async () => {
  const servers = behind.use(await startFaultyMcpServers())
  const host = (name: string, ...names: string[]) =>
    servers.host(
      name,
      offersTools(
        name,
        names.map((tool) => describedTool(tool, 'Does it.')),
      ),
      'everything',
    )
  world = behind.use(
    await startChatWorld({
      database: await openTestDatabase(),
      config: { general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] } },
      servers: {
        files: { url: host('files', 'read', 'write', 'drop') },
        wiki: { url: host('wiki', 'read', 'edit') },
      },
    }),
  )
  gateway = world.gateway
  const body = { toolset_name: 'daily', tools: [...tools('read', 'read'), { server_id: 'wiki', tool_name: 'edit' }] }
  daily = await gateway.json('/v1/mcp/toolset', { body, status: 201 })
  key = await gateway.makeKey({ object_permission: { mcp_toolsets: ['daily'] } })
})
afterAll(() => behind.disposeAsync())

describe('toolsets', () => {
  verifies('toolsets:grants', 'are managed by administrators and read by whom they were granted', async () => {
    expect(daily).toMatchObject({
      toolset_id: expect.any(String),
      toolset_name: 'daily',
      description: null,
      tools: [{ tool_name: 'read' }, { tool_name: 'edit' }],
    })
    const path = '/v1/mcp/toolset'
    const body = { toolset_name: 'daily', tools: [] }
    expect(await gateway.json(path, { body, status: 409 })).toMatchObject({ detail: { error: 'toolset_exists' } })
    await gateway.json(path, { key, body: { toolset_name: 'own', tools: [] }, status: 403 })
    await gateway.json(path, { body: { toolset_name: 'own', tool: [] }, status: 422 })
    for (const control of ['\u0001', '\u0001own', 'o\u0001wn', 'own\u007f']) {
      await gateway.json(path, { body: { toolset_name: control, tools: [] }, status: 422 })
    }
    const lost = [{ server_id: 'nowhere', tool_name: 'read' }]
    await gateway.json(path, { body: { toolset_name: 'own', tools: lost }, status: 422 })

    const other = await gateway.json(path, { body: { ...body, toolset_name: 'other', description: 'x' }, status: 201 })
    const changed = { toolset_id: other['toolset_id'], description: null, tools: tools('drop') }
    expect(await gateway.json(path, { method: 'PUT', body: changed, status: 202 })).toMatchObject({
      toolset_name: 'other',
      description: null,
      tools: [{ tool_name: 'drop' }],
    })
    expect(await gateway.json(path, { key })).toMatchObject([{ toolset_name: 'daily' }])
    const missing = await gateway.json(`${path}/nowhere`, { key, status: 404 })
    expect(JSON.stringify(await gateway.json(`${path}/other`, { key, status: 404 }))).toBe(
      JSON.stringify(missing).replace('nowhere', 'other'),
    )
    expect((await gateway.request(`${path}/other`, { method: 'DELETE' })).status).toBe(202)
    await gateway.json(`${path}/other`, { status: 404 })
  })

  verifies('toolsets:grants', 'grant exactly their tools, beside what was granted otherwise', async () => {
    expect(await listed('/mcp/tools/list')).toEqual(['files-read', 'wiki-edit'])
    expect([await call('files-read'), await call('wiki-edit')]).toEqual([200, 200])
    expect([await call('files-write'), await call('wiki-read')]).toEqual([403, 403])
    const more = { mcp_toolsets: ['daily'], mcp_tool_permissions: { files: ['drop'] }, mcp_servers: ['wiki'] }
    const union = await gateway.makeKey({ object_permission: more })
    expect(await listed('/mcp/tools/list', union)).toEqual(['files-read', 'files-drop', 'wiki-read', 'wiki-edit'])
    expect([await call('files-drop', union), await call('files-write', union)]).toEqual([200, 403])
    const none = { mcp_toolsets: ['daily'], mcp_servers: ['no-mcp-servers'] }
    const nothing = await gateway.makeKey({ object_permission: none })
    expect(await listed('/mcp/tools/list', nothing)).toEqual([])
    await gateway.json('/mcp/tools/list?toolset_name=daily', { key: nothing, status: 404 })
  })

  verifies('toolsets:view', 'narrow an endpoint, a list and a chat, for administrators too', async () => {
    const shown = ['files-read', 'wiki-edit']
    const as = gateway.masterKey
    expect(await listed('/mcp/tools/list?toolset_name=daily', as)).toEqual(shown)
    for (const path of ['/toolset/daily/mcp', '/toolset/daily/mcp/']) {
      const { answer } = await rpc(path, 'tools/list', { as })
      expect(namesIn(isJsonObject(answer) && isJsonObject(answer['result']) ? answer['result'] : {})).toEqual(shown)
    }
    const run = (name: string) => rpc('/toolset/daily/mcp', 'tools/call', { as, params: { name } })
    expect(await run('files-read')).toMatchObject({ answer: { result: {} } })
    expect(await run('files-write')).toMatchObject({ answer: { error: {} } })
    expect(await run('write')).toMatchObject({ answer: { error: {} } })
    expect(await rpc('/toolset/daily/mcp', 'prompts/list', { as })).toMatchObject({
      answer: { result: { prompts: [] } },
    })

    await gateway.json('/v1/mcp/toolset', { body: { toolset_name: 'secret', tools: tools('drop') }, status: 201 })
    const [unknown, foreign] = [await rpc('/toolset/nowhere/mcp', 'ping'), await rpc('/toolset/secret/mcp', 'ping')]
    expect(foreign.status).toBe(403)
    expect(JSON.stringify(foreign)).toBe(JSON.stringify(unknown).replaceAll('nowhere', 'secret'))

    world.play(completion({ tool_calls: [toolCall('files-read', {})] }), completion({ content: 'done' }))
    await world.complete({ tools: mcp({ server_url: 'litellm_proxy/mcp/daily' }) })
    expect(offeredIn(world.asked[0])).toEqual(shown)
  })

  verifies('toolsets:view', 'say which of their servers is gone', async () => {
    const gone = { server_name: 'short', url: 'http://127.0.0.1:1/mcp' }
    const { server_id } = await gateway.json('/v1/mcp/server', { body: gone, status: 201 })
    const body = { toolset_name: 'half', tools: [{ server_id, tool_name: 'x' }, ...tools('read')] }
    await gateway.json('/v1/mcp/toolset', { body, status: 201 })
    await gateway.request(`/v1/mcp/server/${String(server_id)}`, { method: 'DELETE' })
    expect(await gateway.json('/mcp/tools/list?toolset_name=half')).toMatchObject({
      tools: [{ name: 'files-read' }],
      error: 'partial_failure',
      _meta: {
        'toolgate/outcomes': expect.arrayContaining([expect.objectContaining({ server_id, status: 'unreachable' })]),
      },
    })
  })

  verifies('toolsets:view', 'are all that tool search finds and runs at their endpoint', async () => {
    const permission = { mcp_toolsets: ['daily'], mcp_servers: ['files', 'wiki'], mcp_tool_search_enabled: true }
    const as = await gateway.makeKey({ object_permission: permission })
    const at = '/toolset/daily/mcp'
    const { answer } = await rpc(at, 'tools/list', { as })
    expect(namesIn(isJsonObject(answer) && isJsonObject(answer['result']) ? answer['result'] : {})).toEqual([
      'mcp_tool_search',
      'mcp_tool_call',
    ])
    const run = async (name: string, given: object) => {
      const { answer } = await rpc(at, 'tools/call', { as, params: { name, arguments: given } })
      return JSON.stringify(answer)
    }
    const found = await run('mcp_tool_search', { query: 'read write edit drop' })
    expect([...found.matchAll(/(?:files|wiki)-\w+/g)].map(([name]) => name).toSorted()).toEqual([
      'files-read',
      'wiki-edit',
    ])
    expect(await run('mcp_tool_call', { tool_name: 'files-read' })).toContain('"result"')
    for (const tool_name of ['files-write', 'wiki-read', 'write']) {
      expect(await run('mcp_tool_call', { tool_name })).toContain('"error"')
    }
  })

  verifies(
    'toolsets:grants',
    'that change are news to whom they lead, also where they lead to a server no longer',
    async () => {
      const wiki = { server_id: 'wiki', tool_name: 'edit' }
      const body = { toolset_name: 'fleeting', tools: [...tools('read'), wiki] }
      const { toolset_id } = await gateway.json('/v1/mcp/toolset', { body, status: 201 })
      const someone = await gateway.makeKey({ object_permission: { mcp_toolsets: ['fleeting'] } })
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
      const hello = await gateway.request('/mcp', {
        key: someone,
        body: { jsonrpc: '2.0', id: 0, method: 'initialize', params },
      })
      const headers = { 'mcp-session-id': hello.headers.get('mcp-session-id') ?? '' }
      const stream = (await gateway.request('/mcp', { key: someone, headers })).body
      const reader = stream?.pipeThrough(new TextDecoderStream()).getReader()
      let heard = ''
      const until = async (count: number) => {
        while (heard.split('tools/list_changed').length <= count) heard += (await reader?.read())?.value ?? ''
      }
      for (const [count, left] of [
        [1, tools('read')],
        [2, [...tools('read'), wiki]],
        [3, []],
      ] as const) {
        await gateway.json('/v1/mcp/toolset', { method: 'PUT', body: { toolset_id, tools: left }, status: 202 })
        await until(count)
      }
      await reader?.cancel()
    },
  )
})
