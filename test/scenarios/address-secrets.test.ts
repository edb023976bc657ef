import { type RawAnswer, type RawRequest, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, it } from 'vitest'
import { boot, recordingLog } from '../boot.ts'

const query = 'key=canary%20in%2Faddress&other=canary-other'
const canaries = ['canary in/address', 'canary%20in%2Faddress', 'canary-other']

/** Everything that a server may quote of the request that reached it. */
const quoting = {
  'a JSON-RPC error': ({ message, path }: RawRequest): RawAnswer => ({
    body: {
      jsonrpc: '2.0',
      id: message['id'],
      error: { code: -32_000, message: `no: ${path}`, data: { decoded: decodeURIComponent(path) } },
    },
  }),
  'a challenge': ({ path }: RawRequest): RawAnswer => ({
    status: 401,
    headers: { 'www-authenticate': `Bearer resource_metadata="http://a${path}"` },
  }),
  'an error page': ({ path }: RawRequest): RawAnswer => ({
    status: 500,
    body: `<p>${decodeURIComponent(path)} ${path}</p>`,
  }),
}

describe('the secrets in the address of a server', () => {
  it.each(Object.entries(quoting))('stay out of answers and log where it quotes them in %s', async (_, answer) => {
    await using server = await startRawMcpServer()
    const url = `${server.url}?${query}`
    const log = recordingLog()
    await using gateway = await boot({
      log,
      config: {
        mcp_servers: { configured: { url } },
        general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] },
      },
    })
    await gateway.json('/v1/mcp/server', { body: { server_name: 'stored', url, transport: 'http' }, status: 201 })
    server.answer((asked) => (asked.message['method'] === 'tools/call' ? answer(asked) : undefined))
    for (const server_id of ['configured', 'stored']) {
      const response = await gateway.request('/mcp-rest/tools/call', {
        body: { server_id, name: 'echo', arguments: {} },
      })
      const told = `${JSON.stringify([...response.headers])}${await response.text()}`
      expect(response.status).toBeGreaterThanOrEqual(400)
      for (const canary of canaries) expect(told).not.toContain(canary)
    }
    expect(server.received('tools/call').at(-1)?.path).toContain(query)
    for (const canary of canaries) expect(log.lines.join('\n')).not.toContain(canary)
  })
})
