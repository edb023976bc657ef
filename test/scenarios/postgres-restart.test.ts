import { setImmediate } from 'node:timers/promises'
import { calls, migrate, openDatabase } from '@toolgate/db'
import { createDatabase, describeOnOwnPostgres } from '@toolgate/testing/database'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { expect, vi } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 })

const call = { server_id: 'one', name: 'echo', arguments: { n: 1 } }
const statusesOf = (counted: ReadonlyMap<string, number>) => [...counted.keys()]

/** Calls without a pause until stopped, and counts what was answered. */
function startLoad(ask: () => Promise<Response>, callers: number) {
  const stopping = new AbortController()
  const counted = new Map<string, number>()
  let answered = 0
  const run = async () => {
    while (!stopping.signal.aborted) {
      const response = await ask()
      const answer = response.status === 200 ? '200' : `${response.status} ${await response.text()}`
      counted.set(answer, (counted.get(answer) ?? 0) + 1)
      answered += 1
      // A refusal costs no turn of the event loop: without one, nothing else would ever run.
      await setImmediate()
    }
  }
  const running = Promise.all(Array.from({ length: callers }, run))
  return {
    get answered() {
      return answered
    },
    /** Answers of many more calls, so that a moment has passed under load. */
    more: async (count: number) => {
      const until = answered + count
      await vi.waitFor(() => expect(answered).toBeGreaterThan(until), { timeout: 20_000 })
    },
    async stop() {
      stopping.abort()
      await running
      return counted
    },
  }
}

describeOnOwnPostgres('while Postgres restarts under load', (server) => {
  verifies('keys:store-outage', 'known keys work, unknown ones are 503, and no row of the ledger is lost', async () => {
    const ownServer = await server()
    const { outage } = ownServer
    if (outage === undefined) throw new Error('its own server can be stopped')
    await using upstream = await startRawMcpServer()
    const url = await createDatabase(ownServer)
    const database = await openDatabase({ url })
    await migrate(database)
    const log = recordingLog()
    {
      await using gateway = await boot({ config: { mcp_servers: { one: { url: upstream.url } } }, database, log })
      const key = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
      const unseen = await gateway.makeKey()
      const callWith = (used: string) => gateway.request('/mcp-rest/tools/call', { body: call, key: used })
      expect((await callWith(key)).status).toBe(200)
      const readiness = async () => (await gateway.request('/health/readiness', { key: null })).status

      const load = startLoad(() => callWith(key), 8)
      await load.more(100)
      await outage.crash()
      await vi.waitFor(async () => expect(await readiness()).toBe(503), { timeout: 10_000 })
      await load.more(100)
      for (const asked of [unseen, 'sk-nobody-has-this-key']) {
        const refused = await callWith(asked)
        expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
      }
      expect((await gateway.request('/key/generate', { body: {} })).status).toBe(503)
      await load.more(100)

      await outage.recover()
      await vi.waitFor(async () => expect(await readiness()).toBe(200), { timeout: 10_000 })
      await vi.waitFor(async () => expect((await callWith('sk-nobody-has-this-key')).status).toBe(401), {
        timeout: 10_000,
      })
      expect((await gateway.request('/v1/models', { key: unseen })).status).toBe(200)
      await load.more(100)
      expect(statusesOf(await load.stop())).toEqual(['200'])
      // Changes are heard again, or polled.
      await gateway.json('/key/block', { body: { key } })
      expect((await callWith(key)).status).toBe(401)

      const made = upstream.received('tools/call').length
      const reading = await openDatabase({ url })
      try {
        await vi.waitFor(
          async () => {
            const rows = await reading.db.select({ outcome: calls.outcome }).from(calls)
            expect(rows.filter(({ outcome }) => outcome === 'ok')).toHaveLength(made)
          },
          { timeout: 20_000, interval: 250 },
        )
      } finally {
        await reading.close()
      }
      expect(await (await gateway.request('/metrics')).text()).toContain('toolgate_ledger_rows_dropped 0')
    }
    const count = (text: string) => log.lines.filter((line) => line.includes(text)).length
    expect([count('The key store does not answer'), count('The key store answers again')]).toEqual([1, 1])
  })
})
