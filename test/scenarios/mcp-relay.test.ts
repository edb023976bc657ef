import { isJsonObject } from '@toolgate/core'
import { startRawMcpServer, wellBehaved } from '@toolgate/testing/mcp-raw'
import { describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** A server with methods and fields that nobody else has; it answers with what it was sent. */
async function startPeculiar() {
  let sessions = 0
  return startRawMcpServer((request) => {
    const { message, headers } = request
    const { id, method, params } = message
    if (method === 'initialize') {
      const opened = wellBehaved(request)
      return typeof opened === 'object'
        ? { ...opened, headers: { 'mcp-session-id': `own-${(sessions += 1)}` } }
        : opened
    }
    if (method === 'tools/list') {
      return {
        body: {
          jsonrpc: '2.0',
          id,
          result: { tools: [{ name: 'odd', inputSchema: { type: 'object' }, 'x-field': [1] }] },
        },
      }
    }
    if (method !== 'tasks/list' && method !== 'tools/call') return undefined
    return {
      body: {
        jsonrpc: '2.0',
        id,
        result: { echoed: params ?? null, session: headers['mcp-session-id'], 'x-odd': { deep: [null] } },
      },
    }
  })
}

const send = async (
  gateway: Booted,
  path: string,
  { key = gateway.masterKey, ...message }: { key?: string; method: string; params?: object },
) => {
  const response = await gateway.request(path, { key, body: { jsonrpc: '2.0', id: 1, ...message } })
  const answer: unknown = await response.json()
  return isJsonObject(answer) ? answer : {}
}

describe('what the gateway does not know', () => {
  verifies(
    'mcp:relay',
    'passes through an endpoint of one server, on a session of its caller, and nowhere else',
    async () => {
      await using server = await startPeculiar()
      await using gateway = await boot({
        config: { mcp_servers: { odd: { url: server.url }, other: { url: server.url } } },
      })
      const ann = await gateway.makeKey({ object_permission: { mcp_servers: ['odd'] } })
      const bob = await gateway.makeKey({ object_permission: { mcp_servers: ['odd'] } })
      const part = await gateway.makeKey({ object_permission: { mcp_tool_permissions: { odd: ['odd'] } } })
      const method = 'tasks/list'
      const params = { cursor: null, 'x-more': { a: [1, { b: null }] }, _meta: { own: 1 } }
      const [first, second] = [
        await send(gateway, '/mcp/odd', { method, params, key: ann }),
        await send(gateway, '/mcp/odd', { method, params, key: bob }),
      ]
      for (const answer of [first, second]) {
        expect(answer).toMatchObject({ result: { echoed: params, 'x-odd': { deep: [null] } } })
      }
      expect(first).not.toEqual(second)
      for (const [path, key] of [
        ['/mcp', ann],
        ['/mcp/odd,other', gateway.masterKey],
        ['/mcp/odd', part],
      ] as const) {
        expect([path, await send(gateway, path, { method, params, key })]).toEqual([
          path,
          {
            jsonrpc: '2.0',
            id: 1,
            error: { code: -32601, message: 'Method not found: tasks/list', data: { code: 'METHOD_NOT_FOUND' } },
          },
        ])
      }
      const received = server.received(method).length
      for (const own of ['server/discover', 'subscriptions/listen', 'notifications/odd']) {
        expect(await send(gateway, '/mcp/odd', { method: own })).toMatchObject({ error: { code: -32601 } })
      }
      expect(server.received(method)).toHaveLength(received)
    },
  )

  verifies('mcp:relay', 'passes through a call and its result as it is, in every field', async () => {
    await using server = await startPeculiar()
    await using gateway = await boot({ config: { mcp_servers: { odd: { url: server.url } } } })
    const params = {
      name: 'odd',
      arguments: { a: [{ b: null }] },
      task: { ttl: 5 },
      'x-unknown': true,
      _meta: { own: { deep: 1 } },
    }
    for (const [path, name] of [
      ['/mcp', 'odd-odd'],
      ['/mcp/odd', 'odd'],
    ] as const) {
      expect(await send(gateway, path, { method: 'tools/call', params: { ...params, name } })).toMatchObject({
        result: { echoed: params, 'x-odd': { deep: [null] } },
      })
      expect(await send(gateway, path, { method: 'tools/list' })).toMatchObject({
        result: { tools: [{ name, 'x-field': [1] }] },
      })
    }
  })
})
