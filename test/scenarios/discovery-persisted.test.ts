import type { Database } from '@toolgate/db'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { openTestDatabase } from '@toolgate/testing/database'
import { type RawDecision, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** The database of several gateways, one after the other: none of them closes it. */
async function lastingDatabase(): Promise<AsyncDisposable & { readonly database: Database }> {
  const own = await openTestDatabase()
  const database: Database = {
    kind: own.kind,
    address: own.address,
    db: own.db,
    listen: (channel, listener) => own.listen(channel, listener),
    ping: (signal) => own.ping(signal),
    close: async () => {},
  }
  return { database, [Symbol.asyncDispose]: () => own.close() }
}

const versionsWritten = (gateway: Booted, version: number) =>
  vi.waitFor(async () => {
    const metrics = await (await gateway.request('/metrics')).text()
    expect(metrics).toContain(`toolgate_mcp_list_version{server="one",kind="tools"} ${version}`)
  }, 10_000)

const unlisted: RawDecision = ({ message }) => (message['method'] === 'tools/list' ? { status: 500 } : undefined)

verifies(
  'lists:persisted',
  'after a restart a server that is down is listed as stale with its age, and its tools are found by name',
  async () => {
    await using lasting = await lastingDatabase()
    await using server = await startRawMcpServer()
    const config = { mcp_servers: { one: { url: server.url } } }
    {
      await using first = await boot({ config, database: lasting.database })
      await versionsWritten(first, 1)
    }
    server.answer(() => 'drop')
    {
      await using second = await boot({ config, database: lasting.database })
      expect(await second.json('/mcp-rest/tools/list')).toMatchObject({
        tools: [{ name: 'echo', inputSchema: { type: 'object' } }],
        error: null,
        _meta: {
          'toolgate/outcomes': [
            {
              server_name: 'one',
              status: 'stale',
              message: expect.stringContaining('"one"'),
              age_seconds: expect.any(Number),
              listed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
            },
          ],
        },
      })
      expect(await second.json('/health/latest')).toMatchObject({ mcp_servers: [{ status: 'unhealthy' }] })
      // Its lists cannot be read, but calls work: the bare name is known from before.
      server.answer(unlisted)
      const called = await second.json('/mcp/tools/call', { body: { name: 'echo', arguments: { text: 'hi' } } })
      expect(called).toMatchObject({ content: [{ text: '{"text":"hi"}' }] })
    }
    server.answer(() => undefined)
    {
      await using third = await boot({ config, database: lasting.database })
      const { _meta: meta } = await third.json('/mcp-rest/tools/list')
      expect(meta).toMatchObject({ 'toolgate/outcomes': [{ server_name: 'one', status: 'ok' }] })
      await versionsWritten(third, 1)
    }
    // The same name at another address is another list.
    await using other = await startRawMcpServer(() => 'drop')
    await using moved = await boot({ config: { mcp_servers: { one: { url: other.url } } }, database: lasting.database })
    expect(await moved.json('/mcp-rest/tools/list')).toMatchObject({ tools: [], error: 'partial_failure' })
  },
)

verifies('lists:persisted', 'every change of a list is a version that names what changed', async () => {
  await using lasting = await lastingDatabase()
  await using server = await startRawMcpServer()
  const config = { mcp_servers: { one: { url: server.url } } }
  await using gateway = await boot({ config, database: lasting.database })
  await versionsWritten(gateway, 1)
  const tools = [
    { name: 'echo', description: 'louder', inputSchema: { type: 'object' } },
    { name: 'shout', inputSchema: { type: 'object' } },
  ]
  server.answer((request) =>
    request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
  )
  await gateway.json('/v1/mcp/server/one/refresh', { method: 'POST' })
  await versionsWritten(gateway, 2)
  const [one] = gateway.services.gateway.select(callerOf({ principal: principalOf({ admin: true }) })).servers
  const versions = await gateway.services.catalog.versions(one?.id ?? '')
  expect(versions.filter(({ kind }) => kind === 'tools')).toMatchObject([
    { kind: 'tools', version: 2, added: ['shout'], changed: ['echo'], removed: [] },
    { kind: 'tools', version: 1, added: ['echo'], changed: [], removed: [] },
  ])
})
