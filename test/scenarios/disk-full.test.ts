import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calls, migrate, openDatabase } from '@toolgate/db'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, describe, expect, vi } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Enough for the database and little more. */
const size = '60m'
const callsWhileFull = 2_000

const folder = mkdtempSync(join(tmpdir(), 'toolgate-disk-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]).status === 0
const missing = 'needs the right to mount a small one'
if (!mounted) console.warn(`Skipped: a full disk, ${missing}.`)
const title = 'a full disk under the embedded database'
afterAll(() => {
  if (mounted) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true })
})

/** Leaves not a byte; removing the file is the operator's help. */
function fillDisk(): Disposable {
  const filling = join(folder, 'filling')
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(filling, Buffer.alloc(bavail * bsize))
  expect(statfsSync(folder).bavail).toBe(0)
  return { [Symbol.dispose]: () => rmSync(filling) }
}

const named = mounted ? title : `${title} (skipped: ${missing})`

describe.runIf(mounted).each([named])('%s', () => {
  verifies('ledger:store-outage', 'fails no call; rows wait and are written when there is room again', async () => {
    await using upstream = await startRawMcpServer()
    const database = await openDatabase({ dataDir: join(folder, 'database') })
    await migrate(database)
    const log = recordingLog()
    const clock = fakeClock()
    const config = { mcp_servers: { one: { url: upstream.url } } }
    await using gateway = await boot({ config, database, log, clock })
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
    const body = { server_id: 'one', name: 'echo', arguments: {} }
    const call = async () => (await gateway.request('/mcp-rest/tools/call', { body, key })).status
    expect(await call()).toBe(200)

    const full = fillDisk()
    for (let made = 0; made < callsWhileFull; made += 20) {
      const statuses = await Promise.all(Array.from({ length: 20 }, call))
      expect(new Set(statuses)).toEqual(new Set([200]))
    }
    await vi.waitFor(() => {
      clock.advance(1_000)
      expect(log.lines.join('\n')).toContain('database error 53100')
    })
    expect((await gateway.request('/health/readiness', { key: null })).status).toBe(200)

    full[Symbol.dispose]()
    await vi.waitFor(
      async () => {
        clock.advance(30_000)
        expect(await database.db.select({ id: calls.id }).from(calls)).toHaveLength(callsWhileFull + 1)
      },
      { timeout: 30_000, interval: 100 },
    )
    expect(await (await gateway.request('/metrics')).text()).toContain('toolgate_ledger_rows_dropped 0')
    expect(await gateway.makeKey()).toMatch(/^sk-/)
  })
})
