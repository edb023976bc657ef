import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { startConformanceServer } from '@toolgate/testing/conformance-server/start'
import { fakeClock } from '@toolgate/testing/fake-clock'
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

const quietMs = 1_000

/** The stream that a client of the legacy era listens on in its session. */
async function listenInSession(gateway: Booted, key: string, resuming: Record<string, string> = {}) {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
  const body = { jsonrpc: '2.0', id: 0, method: 'initialize', params }
  const opened = await gateway.request('/mcp', { key, body })
  const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '', ...resuming }
  const { body: stream } = await gateway.request('/mcp', { key, headers })
  if (stream === null) throw new Error('there is no stream')
  return stream.pipeThrough(new TextDecoderStream())
}

/** A gateway whose time stands still: news that a test has not let pass cannot be late. Of the first lists nobody hears. */
async function bootQuiet(mcp_servers: Readonly<Record<string, { url: string }>>) {
  const clock = fakeClock()
  const gateway = await boot({ config: { mcp_servers }, clock })
  const listed = async () => {
    const { tools } = await gateway.json('/mcp/tools/list')
    return Array.isArray(tools) ? tools.map(({ name }) => String(name)) : []
  }
  const untilListed = (name: string) => vi.waitFor(async () => expect(await listed()).toContain(name), 10_000)
  for (const name of Object.keys(mcp_servers)) await untilListed(`${name}-echo`)
  clock.advance(quietMs)
  return { gateway, clock, untilListed, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
}

describe('a client that listens', () => {
  verifies('mcp:listen', 'hears once of lists that it sees; who does not see them hears nothing', async () => {
    await using server = await startMcpServer()
    const one = { url: server.url }
    await using quiet = await bootQuiet({ one })
    const { gateway, clock, untilListed } = quiet
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
    const heard = () => [all, other, single].map(({ tools }) => tools.mock.calls.length)

    await gateway.reload({ mcp_servers: { one, two: { url: server.url } } })
    await untilListed('two-echo')
    clock.advance(quietMs)
    await vi.waitFor(() => expect(all.tools).toHaveBeenCalled(), { timeout: 10_000 })
    await gateway.reload({ mcp_servers: { one } })
    clock.advance(quietMs)
    await vi.waitFor(() => expect(all.tools).toHaveBeenCalledTimes(2), { timeout: 10_000 })
    // Whatever was said to the others is there before the answer to what they ask now.
    for (const { client } of [other, single]) await client.listTools()
    expect(heard()).toEqual([2, 0, 0])
  })

  verifies('mcp:listen', 'hears of a resource of a legacy server, as long as it may read it', async () => {
    await using server = await startConformanceServer({ eras: 'legacy' })
    await using gateway = await boot({ config: { mcp_servers: { one: { url: server.url } } } })
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
    await using all = await connect(gateway)
    await using narrow = await connect(gateway, '/mcp', key)
    const uri = 'test://watched-resource'
    for (const { client } of [all, narrow]) {
      const { honoredFilter } = await client.listen({ resourceSubscriptions: [uri] })
      expect(honoredFilter).toEqual({ resourceSubscriptions: [uri] })
    }
    const touch = () => all.client.callTool({ name: 'one-test_trigger_resource_update', arguments: {} })
    await touch()
    for (const { resources } of [all, narrow]) {
      await vi.waitFor(() => expect(resources.mock.calls).toEqual([[uri]]), { timeout: 10_000 })
    }
    await gateway.json('/key/update', { body: { key, object_permission: { mcp_servers: ['two'] } } })
    await touch()
    await vi.waitFor(() => expect(all.resources).toHaveBeenCalledTimes(2), { timeout: 10_000 })
    // Whatever was said to it is there before the answer to what it asks now.
    await narrow.client.listTools()
    expect(narrow.resources).toHaveBeenCalledTimes(1)
  })

  verifies('mcp:listen', 'is let go when its key is gone, before it hears anything more, in either era', async () => {
    await using server = await startMcpServer()
    const one = { url: server.url }
    await using quiet = await bootQuiet({ one })
    const { gateway, clock } = quiet
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
    await using listener = await connect(gateway, '/mcp', key)
    await using witness = await connect(gateway)
    const [session, otherSession] = [
      await listenInSession(gateway, key),
      await listenInSession(gateway, gateway.masterKey),
    ]
    const resumed = await listenInSession(gateway, key, { 'last-event-id': 'stream_gone.1' })
    const beforeSession = await gateway.request('/sse', { key })
    const { closed } = await listener.client.listen({ toolsListChanged: true })
    await witness.client.listen({ toolsListChanged: true })
    // The news is on its way before the key goes, and told after.
    await gateway.reload({ mcp_servers: {} })
    await gateway.json('/key/delete', { body: { keys: [key] } })
    expect(listener.tools).not.toHaveBeenCalled()
    clock.advance(quietMs)
    await vi.waitFor(() => expect(witness.tools).toHaveBeenCalledTimes(1), { timeout: 10_000 })
    expect(await closed).toBe('remote')
    expect(listener.tools).not.toHaveBeenCalled()
    let told = ''
    for await (const chunk of otherSession) {
      told += chunk
      if (told.includes('list_changed')) break
    }
    // To its end, which is there.
    let leaked = ''
    for await (const chunk of session) leaked += chunk
    expect(leaked).toBe(': open\n\n')
    // Those on which there is nothing to tell are looked at now and then.
    clock.advance(15_000)
    for await (const _ of resumed);
    expect(await beforeSession.text()).toContain('event: endpoint')
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
