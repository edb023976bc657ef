import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { freePort } from '@toolgate/testing/postgres-server'
import { describe, expect, it, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, logLines, type Place, repository } from './gateway-process.ts'

const headers = { authorization: 'Bearer sk-of-this-test', 'content-type': 'application/json' }

/** A gateway into which a fault is loaded, which no code of its own should have: a signal brings it about. */
function startFaulty(place: Place, servers: object = {}) {
  const fault = place.write(
    'fault.mjs',
    [
      "process.on('SIGUSR2', () => { void Promise.reject(new Error('nobody handles this')) })",
      "process.on('SIGWINCH', () => { throw new Error('nobody catches this') })",
    ].join('\n'),
  )
  const config = place.write('config.yaml', {
    general_settings: { master_key: 'sk-of-this-test' },
    mcp_servers: servers,
  })
  return place.startGateway({ config, environment: { NODE_OPTIONS: `--import=${fault}` } })
}

describe('a fault of the process itself', () => {
  verifies(
    'process:faults-reported',
    'as a promise nobody handled is logged and counted, and work goes on',
    async () => {
      using place = createPlace()
      await using gateway = startFaulty(place)
      const address = await gateway.listening()
      const metrics = async () => (await fetch(`${address}/metrics`, { headers })).text()
      expect(await metrics()).toContain('toolgate_unhandled_rejections_total 0')
      gateway.signal('SIGUSR2')
      await vi.waitFor(async () => expect(await metrics()).toContain('toolgate_unhandled_rejections_total 1'))
      await vi.waitFor(() => {
        expect(logLines(gateway.stdout)).toContainEqual(
          expect.objectContaining({
            level: 'error',
            err: expect.objectContaining({ stack: expect.stringContaining('fault.mjs:1') }),
            msg: 'a promise failed and nobody handled it: this is a fault of toolgate',
          }),
        )
      })
      gateway.signal('SIGTERM')
      expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })
    },
  )

  // A device that is always full.
  const full = '/dev/full'
  it.skipIf(!existsSync(full))('is not that its log cannot be written: it works, and ends when told', async () => {
    using place = createPlace()
    const port = await freePort()
    const config = place.write('config.yaml', 'mcp_servers: {}')
    const given = `--port ${port} --data-dir ${place.dataDirectory} --config ${config}`
    const child = spawn('sh', ['-c', `exec ${join(repository, 'start')} ${given} > ${full}`], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    try {
      const status = async () => (await fetch(`http://127.0.0.1:${port}/health/readiness`)).status
      await vi.waitFor(async () => expect(await status()).toBe(200), { timeout: 30_000, interval: 50 })
      for (let asked = 0; asked < 20; asked += 1) expect(await status()).toBe(200)
      child.kill('SIGTERM')
      expect(await ended).toEqual([0, null])
    } finally {
      child.kill('SIGKILL')
    }
  })

  verifies(
    'process:faults-reported',
    'as an exception nobody caught lets a call finish and ends as failed',
    async () => {
      const { promise: released, resolve: release } = Promise.withResolvers<void>()
      await using server = await startRawMcpServer(async (asked) => {
        if (asked.message['method'] !== 'tools/call') return undefined
        await released
        return { body: resultFor(asked, { content: [{ type: 'text', text: 'late' }] }) }
      })
      using place = createPlace()
      await using gateway = startFaulty(place, { held: { url: server.url } })
      const address = await gateway.listening()
      const body = JSON.stringify({ server_id: 'held', name: 'echo', arguments: {} })
      const held = fetch(`${address}/mcp-rest/tools/call`, { method: 'POST', headers, body })
      await vi.waitFor(() => expect(server.received('tools/call')).toHaveLength(1))
      gateway.signal('SIGWINCH')
      gateway.signal('SIGWINCH')
      await vi.waitFor(async () => expect((await fetch(`${address}/health/readiness`)).status).toBe(503))
      release()
      expect(await (await held).json()).toMatchObject({ content: [{ text: 'late' }] })
      const { code, stdout, stderr } = await gateway.ended
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
      expect(logLines(stdout)).toContainEqual(
        expect.objectContaining({
          err: expect.objectContaining({ stack: expect.stringContaining('nobody catches this') }),
        }),
      )
      expect(logLines(stdout).at(-1)).toMatchObject({ msg: 'stopped' })
    },
  )
})
