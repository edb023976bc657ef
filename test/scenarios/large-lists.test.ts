import { isJsonObject } from '@toolgate/core'
import { serverListItems } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, vi } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'

function startServerOf(count: number) {
  const tools = Array.from({ length: count }, (_, index) => ({ name: `t${index}`, inputSchema: { type: 'object' } }))
  return startRawMcpServer((request) =>
    request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
  )
}

/** How many tools are written as JSON meanwhile, however they are nested. */
async function writtenDuring(work: () => Promise<unknown>): Promise<number> {
  const spy = vi.spyOn(JSON, 'stringify')
  try {
    await work()
    return spy.mock.calls.reduce((sum, [value]) => sum + toolsIn(value), 0)
  } finally {
    spy.mockRestore()
  }
}

function toolsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + toolsIn(one), 0)
  if (!isJsonObject(value)) return 0
  return 'inputSchema' in value ? 1 : toolsIn(value['tools'] ?? value['result'])
}

describe('a large list', () => {
  verifies(
    'catalog:large',
    'asks no server, names nothing and writes nothing again while nothing changed',
    async () => {
      await using first = await startServerOf(300)
      await using second = await startServerOf(300)
      const mcp_servers = { one: { url: first.url }, two: { url: second.url } }
      const database = await openTestDatabase()
      await using gateway = await boot({ config: { mcp_servers }, database })
      const grants = { mcp_servers: ['one', 'two'] }
      const [ann, bob] = [
        await gateway.makeKey({ object_permission: grants }),
        await gateway.makeKey({ object_permission: grants }),
      ]
      const part = await gateway.makeKey({ object_permission: { mcp_tool_permissions: { one: ['t1'] } } })
      const list = async (key: string) => {
        const { tools } = await gateway.json('/mcp/tools/list', { key })
        return Array.isArray(tools) ? tools.map(({ name }) => String(name)) : []
      }
      await vi.waitFor(async () => expect(await list(gateway.masterKey)).toHaveLength(600), 15_000)
      // What was discovered is also written into the store, in the background.
      await vi.waitFor(async () => expect(await database.db.$count(serverListItems)).toBe(600), 15_000)
      expect(await writtenDuring(() => list(gateway.masterKey))).toBe(0)
      expect(await writtenDuring(() => list(ann))).toBe(600)
      const asked = first.requests.length + second.requests.length
      // Another key with the same rights is another caller, and the list the same.
      for (const key of [ann, bob]) {
        expect(
          await writtenDuring(async () => {
            expect(await list(key)).toHaveLength(600)
          }),
        ).toBe(0)
      }
      expect(await list(part)).toEqual(['one-t1'])
      expect(first.requests.length + second.requests.length).toBe(asked)

      // Whatever decides what is listed is seen at once.
      await gateway.json('/key/update', { body: { key: bob, object_permission: { mcp_servers: ['two'] } } })
      expect(await list(bob)).toHaveLength(300)
      expect(await list(ann)).toHaveLength(600)
      const tool_name_to_display_name = { t0: 'shown' }
      await gateway.reload({ mcp_servers: { ...mcp_servers, one: { url: first.url, tool_name_to_display_name } } })
      expect(await list(ann)).toContain('shown')
      await gateway.reload({ mcp_servers: { ...mcp_servers, one: { url: first.url, disallowed_tools: ['t1'] } } })
      expect(await list(ann)).toHaveLength(599)
      expect(await list(part)).toEqual([])
    },
  )
})
