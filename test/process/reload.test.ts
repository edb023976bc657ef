import { renameSync, rmSync } from 'node:fs'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, type GatewayProcess, logLines } from './gateway-process.ts'

const master = 'sk-of-this-test'
const team = 'sk-of-the-team-0123456789'

const configOf = (servers: object, keys: readonly string[] = []) => ({
  general_settings: { master_key: master },
  mcp_servers: servers,
  virtual_keys: keys.map((key) => ({ key })),
})

function call(address: string, server: string): Promise<Response> {
  return fetch(`${address}/mcp-rest/tools/call`, {
    method: 'POST',
    headers: { authorization: `Bearer ${master}`, 'content-type': 'application/json' },
    body: JSON.stringify({ server_id: server, name: 'echo', arguments: {} }),
  })
}

const statusWith = async (address: string, key: string) =>
  (await fetch(`${address}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status

const reloads = ({ stdout }: GatewayProcess) =>
  logLines(stdout).filter(({ msg }) => String(msg).startsWith('configuration reloaded'))
const refusals = ({ stdout }: GatewayProcess) =>
  logLines(stdout).filter(({ msg }) => String(msg).startsWith('configuration not reloaded'))
const soon = { timeout: 10_000, interval: 20 }

describe('SIGHUP', () => {
  verifies('reload:no-call-dropped', 'reloads; a call under way to a server that is removed finishes', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    await using server = await startRawMcpServer(async (asked) => {
      if (asked.message['method'] !== 'tools/call') return undefined
      await released
      return { body: resultFor(asked, { content: [{ type: 'text', text: 'late' }] }) }
    })
    using place = createPlace()
    const config = place.write('config.yaml', configOf({ held: { url: server.url } }, [team]))
    await using gateway = place.startGateway({ config })
    const address = await gateway.listening()
    expect(await statusWith(address, team)).toBe(200)
    const held = call(address, 'held')
    await vi.waitFor(() => expect(server.received('tools/call')).toHaveLength(1), soon)

    place.write('config.yaml', configOf({}))
    gateway.signal('SIGHUP')
    await vi.waitFor(() => expect(reloads(gateway)).toHaveLength(1), soon)
    expect(reloads(gateway)[0]).toMatchObject({
      trigger: 'signal',
      servers: { added: [], changed: [], removed: ['held'] },
      keys: { added: 0, changed: 0, disabled: 1, refused: 0 },
    })
    expect(await statusWith(address, team)).toBe(401)
    expect((await call(address, 'held')).status).toBe(403)
    release()
    expect(await (await held).json()).toMatchObject({ content: [{ text: 'late' }] })

    place.write('config.yaml', 'virtual_keys: [{key: sk-hush}]')
    gateway.signal('SIGHUP')
    await vi.waitFor(() => expect(refusals(gateway)).toHaveLength(1), soon)
    expect(refusals(gateway)[0]).toMatchObject({
      config: [expect.stringContaining('config.yaml:1:17 virtual_keys[0].key is refused')],
    })
    expect(await statusWith(address, master)).toBe(200)
    gateway.signal('SIGTERM')
    const { code, stdout, stderr } = await gateway.ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const secret of [master, team, 'sk-hush']) expect(stdout).not.toContain(secret)
  })
})

describe('--watch-config', () => {
  verifies('reload:keys', 'follows a file that is replaced, removed for a moment and written again', async () => {
    using place = createPlace()
    const config = place.write('config.yaml', configOf({}))
    await using gateway = place.startGateway({ config, argv: ['--watch-config'] })
    const address = await gateway.listening()
    expect(await statusWith(address, team)).toBe(401)

    renameSync(place.write('draft.yaml', configOf({}, [team])), config)
    await vi.waitFor(async () => expect(await statusWith(address, team)).toBe(200), soon)
    rmSync(config)
    place.write('config.yaml', configOf({}))
    await vi.waitFor(async () => expect(await statusWith(address, team)).toBe(401), soon)
    // The line may be on its way when the key is refused already.
    await vi.waitFor(() => expect(reloads(gateway).map(({ trigger }) => trigger)).toEqual(['watch', 'watch']), soon)
    expect(refusals(gateway)).toEqual([])
  })
})
