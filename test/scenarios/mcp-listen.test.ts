import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { startEverything } from '@toolgate/testing/mcp-everything'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

async function connect(gateway: Booted, path = '/mcp', key = gateway.masterKey) {
  const versionNegotiation = { mode: { pin: '2026-07-28' } }
  const client = new Client({ name: 'sdk', version: '1' }, { capabilities: {}, versionNegotiation })
  const tools = vi.fn()
  const resources = vi.fn()
  client.setNotificationHandler('notifications/tools/list_changed', tools)
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void resources(params.uri))
  const requestInit = { headers: { 'x-litellm-api-key': key } }
  const url = new URL(`http://gateway.test${path}`)
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: gateway.fetch, requestInit }))
  return { client, tools, resources, [Symbol.asyncDispose]: () => client.close() }
}

describe('a modern client that listens', () => {
  verifies('mcp:listen', 'hears once of lists that it sees; who does not see them hears nothing', async () => {
    await using server = await startMcpServer()
    const config = { mcp_servers: { one: { url: server.url } } }
    await using gateway = await boot({ config })
    const narrow = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
    await using all = await connect(gateway)
    await using other = await connect(gateway, '/mcp', narrow)
    await using single = await connect(gateway, '/mcp/one')
    const { honoredFilter } = await all.client.listen({
      toolsListChanged: true,
      resourceSubscriptions: ['none://such'],
    })
    expect(honoredFilter).toEqual({ toolsListChanged: true })
    for (const { client } of [other, single]) await client.listen({ toolsListChanged: true })
    await gateway.reload({ mcp_servers: { ...config.mcp_servers, two: { url: server.url } } })
    await vi.waitFor(() => expect(all.tools).toHaveBeenCalled(), { timeout: 10_000 })
    expect((await all.client.listTools()).tools.map(({ name }) => name)).toContain('two-echo')
    // Until here the first list of the server that everybody sees may have been news.
    for (const { client } of [other, single]) await client.listTools()
    for (const { tools } of [all, other, single]) tools.mockClear()
    await gateway.reload(config)
    await vi.waitFor(() => expect(all.tools).toHaveBeenCalled(), { timeout: 10_000 })
    expect(other.tools).not.toHaveBeenCalled()
    expect(single.tools).not.toHaveBeenCalled()
  })

  verifies('mcp:listen', 'hears of a resource of a legacy server', async () => {
    await using server = await startEverything()
    await using gateway = await boot({ config: { mcp_servers: { every: { url: server.url } } } })
    await using listener = await connect(gateway)
    const uri = 'demo://resource/dynamic/text/1'
    const { honoredFilter } = await listener.client.listen({ resourceSubscriptions: [uri] })
    expect(honoredFilter).toEqual({ resourceSubscriptions: [uri] })
    await listener.client.callTool({ name: 'every-toggle-subscriber-updates', arguments: {} })
    await vi.waitFor(() => expect(listener.resources).toHaveBeenCalledWith(uri), { timeout: 15_000 })
  })

  verifies('mcp:listen', 'is let go when its key is gone, before it hears anything more', async () => {
    await using server = await startMcpServer()
    const config = { mcp_servers: { one: { url: server.url } } }
    await using gateway = await boot({ config })
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['one', 'two'] } })
    await using listener = await connect(gateway, '/mcp', key)
    const { closed } = await listener.client.listen({ toolsListChanged: true })
    await gateway.reload({ mcp_servers: { ...config.mcp_servers, two: { url: server.url } } })
    await vi.waitFor(() => expect(listener.tools).toHaveBeenCalled(), { timeout: 10_000 })
    listener.tools.mockClear()
    await gateway.json('/key/delete', { body: { keys: [key] } })
    await gateway.reload({ mcp_servers: {} })
    expect(await closed).toBe('remote')
    expect(listener.tools).not.toHaveBeenCalled()
  })

  verifies(
    'mcp:listen',
    'has a bounded number of streams, and each ends with a result when the gateway leaves',
    async () => {
      await using server = await startMcpServer()
      await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
      await using listener = await connect(gateway)
      const open = await Promise.all(
        Array.from({ length: 16 }, () => listener.client.listen({ promptsListChanged: true })),
      )
      await expect(listener.client.listen({ promptsListChanged: true })).rejects.toThrow('16 subscriptions')
      await open[0]?.close()
      const last = await listener.client.listen({ promptsListChanged: true })
      gateway.services.lifecycle.enter('draining')
      expect(await last.closed).toBe('graceful')
    },
  )
})
