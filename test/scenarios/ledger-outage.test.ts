import { migrate, openDatabase } from '@toolgate/db'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { expect, vi } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Some more than the ledger keeps for a store that is away. */
const callsMade = 10_400
const atOnce = 100

verifies(
  'ledger:store-outage',
  'while the ledger cannot be written for long, calls go on and the rows beyond the bound are counted and dropped',
  async () => {
    await using upstream = await startRawMcpServer()
    const own = await openDatabase({ memory: true })
    await migrate(own)
    let isAway = true
    const copyIn: typeof own.copyIn = async (table, rows) => {
      if (isAway) throw new Error('the table cannot be written')
      await own.copyIn?.(table, rows)
    }
    const log = recordingLog()
    const clock = fakeClock()
    const config = { mcp_servers: { one: { url: upstream.url } } }
    await using gateway = await boot({ config, database: { ...own, copyIn }, log, clock })
    const body = { server_id: 'one', name: 'echo', arguments: {} }
    const call = async () => (await gateway.request('/mcp-rest/tools/call', { body })).status

    for (let made = 0; made < callsMade; made += atOnce) {
      expect(new Set(await Promise.all(Array.from({ length: atOnce }, call)))).toEqual(new Set([200]))
    }
    const dropped = async () =>
      Number(/^toolgate_ledger_rows_dropped (\d+)$/m.exec(await (await gateway.request('/metrics')).text())?.[1])
    expect(await dropped()).toBeGreaterThan(0)
    expect(log.lines.filter((line) => line.includes('ledger rows are dropped'))).toHaveLength(1)

    isAway = false
    let looks = 0
    await vi.waitFor(
      () => {
        // Ends the pause; more often it would end the writing as well, which a busy machine takes a moment for.
        if (looks % 60 === 0) clock.advance(30_000)
        looks += 1
        expect(log.lines.join('\n')).toContain('ledger rows are written again')
      },
      { timeout: 20_000, interval: 50 },
    )
    const before = await dropped()
    expect(await call()).toBe(200)
    expect(await dropped()).toBe(before)
  },
)
