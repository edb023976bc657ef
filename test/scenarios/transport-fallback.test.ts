import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

const echo = { server_id: 'docs', name: 'echo', arguments: { message: 'hi' } }

describe('a server configured with an address and no transport', () => {
  verifies('transports:fallback', 'is listed and called where it only speaks legacy SSE', async () => {
    await using legacy = await startSseMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { docs: { url: legacy.url } } } })
    expect(await gateway.json('/mcp-rest/tools/list')).toMatchObject({ error: null })
    expect(await gateway.json('/mcp-rest/tools/call', { body: echo })).toMatchObject({ content: [{ text: 'hi' }] })
    // Two connections at most, one for discovery and one for calls: it was found out once, for both eras of the protocol.
    const refused = legacy.requests.findIndex(({ method }) => method === 'GET')
    expect(legacy.requests.slice(0, refused).map(({ method }) => method)).toEqual(['POST', 'POST'])
  })

  verifies('transports:fallback', 'is named with what it said to both where it speaks neither', async () => {
    await using server = await startRawMcpServer(() => ({ status: 404 }))
    await using gateway = await boot({ config: { mcp_servers: { docs: { url: server.url } } } })
    expect(await gateway.json('/mcp-rest/tools/call', { body: echo, status: 502 })).toMatchObject({
      detail: {
        error: 'upstream_protocol_error',
        server: 'docs',
        message: expect.stringContaining(
          'speaks neither streamable HTTP (HTTP status 404) nor legacy SSE (HTTP status 404)',
        ),
      },
    })
  })

  verifies('transports:fallback', 'is asked nothing else where it refuses the credential', async () => {
    await using server = await startRawMcpServer(() => ({ status: 401 }))
    await using gateway = await boot({ config: { mcp_servers: { docs: { url: server.url } } } })
    await gateway.json('/mcp-rest/tools/call', { body: echo, status: 401 })
    expect(server.requests.filter(({ method }) => method === 'GET')).toEqual([])
  })
})
