import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace } from './gateway-process.ts'

const inFlight = 16
/** Of old memory. Where something keeps calls until old memory is collected, it is several times as many for each. */
const mostBytesPerCall = 2_000
/** Once in a while the runtime itself keeps what it should not; what we keep shows in each of them. */
const windows = 3

// Ten thousand calls through a real gateway, on a machine that may have other work.
vi.setConfig({ testTimeout: 180_000 })

interface Door {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: object
}

const master = { 'content-type': 'application/json', 'x-litellm-api-key': 'sk-of-this-test' }
const mcp = { ...master, accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' }
const toolCall = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'held-echo', arguments: {} } }

const restCall = { server_id: 'held', name: 'echo', arguments: {} }

const doors: Record<string, (address: string) => Promise<Door>> = {
  '/mcp-rest': async () => ({ path: '/mcp-rest/tools/call', headers: master, body: restCall }),
  '/mcp in a session': async (address) => ({
    path: '/mcp',
    headers: { ...mcp, 'mcp-session-id': await openSession(address) },
    body: toolCall,
  }),
}

async function openSession(address: string): Promise<string> {
  const clientInfo = { name: 'test', version: '1' }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const { headers } = await fetch(`${address}/mcp`, { method: 'POST', headers: mcp, body })
  return headers.get('mcp-session-id') ?? ''
}

for (const [name, open] of Object.entries(doors)) {
  verifies('calls:leave-nothing', `a call through ${name} is forgotten as soon as it is over`, async () => {
    using place = createPlace()
    await using server = await startRawMcpServer((asked) =>
      asked.message['method'] === 'tools/call'
        ? { body: resultFor(asked, { content: [{ type: 'text', text: 'x'.repeat(1024) }] }) }
        : undefined,
    )
    const config = place.write('config.yaml', {
      general_settings: { master_key: 'sk-of-this-test' },
      mcp_servers: { held: { url: server.url, auth_type: 'none' } },
    })
    const survivors = join(place.folder, 'survivors')
    const preload = pathToFileURL(join(import.meta.dirname, 'heap-survivors.ts'))
    await using gateway = place.startGateway({
      config,
      environment: {
        NODE_OPTIONS: `--expose-gc --import=${preload.href}`,
        SURVIVORS_FILE: survivors,
        LOG_LEVEL: 'warn',
      },
    })
    const address = await gateway.listening()
    const { path, headers, body } = await open(address)

    const call = async () => {
      const response = await fetch(`${address}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
      expect(await response.text()).toContain('xxx')
    }
    const callOften = async (calls: number) => {
      let left = calls
      const caller = async () => {
        for (; left > 0; left -= 1) await call()
      }
      await Promise.all(Array.from({ length: inFlight }, caller))
    }

    await callOften(1_000)
    const found: number[] = []
    for (let window = 0; window < windows; window += 1) {
      rmSync(survivors, { force: true })
      const underWay = callOften(500)
      gateway.signal('SIGUSR2')
      await vi.waitUntil(() => existsSync(survivors), 10_000)
      await underWay
      await callOften(2_500)
      gateway.signal('SIGUSR2')
      found.push((await vi.waitUntil(() => Number(readFileSync(survivors, 'utf8')), 10_000)) / 3_000)
    }
    expect(Math.min(...found), `bytes of each call: ${found.map(Math.round).join(', ')}`).toBeLessThan(mostBytesPerCall)
  })
}
