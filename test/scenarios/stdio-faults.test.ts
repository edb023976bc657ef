import { immortal, scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { isRunning } from '@toolgate/testing/processes'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, vi } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const tools = ['fine', 'crash', 'junk', 'deep'].map((name) => ({ name, inputSchema: { type: 'object' } }))

/** A server with a tool for each way to fail. */
const faulty = scriptedStdio(`
  const deep = '['.repeat(200000) + ']'.repeat(200000)
  const asked = (message) => {
    const { id, method, params } = message
    if (id === undefined) return
    if (method === 'tools/list') return answer(message, { tools: ${JSON.stringify(tools)} })
    if (params.name === 'crash') process.exit(7)
    if (params.name === 'deep') return process.stdout.write('{"jsonrpc":"2.0","id":' + id + ',"result":{"a":' + deep + '}}\\n')
    if (params.name === 'junk') process.stdout.write('loading…\\n\\n{"half\\n')
    answer(message, { content: [{ type: 'text', text: params.name }] })
  }`)

const call = (gateway: Booted, name: string, options: { server?: string; status?: number } = {}) => {
  const { server = 'faulty', status = 200 } = options
  return gateway.json('/mcp-rest/tools/call', { body: { server_id: server, name, arguments: {} }, status })
}

const config = { mcp_servers: { faulty, healthy: faulty } }

describe('a stdio server', () => {
  verifies('faults:contained', 'that crashes fails the call with how it ended; the next call works', async () => {
    await using gateway = await boot({ config })
    expect(await call(gateway, 'crash', { status: 502 })).toMatchObject({
      detail: {
        error: 'upstream_unreachable',
        server: 'faulty',
        stage: 'call',
        message: expect.stringContaining('has exited with code 7'),
      },
    })
    expect(await call(gateway, 'fine')).toMatchObject({ content: [{ text: 'fine' }] })
  })

  verifies('faults:contained', 'that crashes again is not started at each call; the others go on', async () => {
    await using gateway = await boot({ config })
    await call(gateway, 'crash', { status: 502 })
    await call(gateway, 'crash', { status: 502 })
    expect(await call(gateway, 'fine', { status: 502 })).toMatchObject({
      detail: {
        error: 'upstream_unreachable',
        stage: 'connect',
        message: expect.stringMatching(/is started again in \d+ s at the earliest/),
      },
    })
    expect(await call(gateway, 'fine', { server: 'healthy' })).toMatchObject({ content: [{ text: 'fine' }] })
    // Asked so seldom that the refusals meanwhile do not open the server's circuit.
    await vi.waitFor(() => call(gateway, 'fine'), { timeout: 5_000, interval: 700 })
  })

  verifies('faults:contained', 'that prints what is no message is understood all the same', async () => {
    const log = recordingLog()
    await using gateway = await boot({ config, log })
    expect(await call(gateway, 'junk')).toMatchObject({ content: [{ text: 'junk' }] })
    expect(log.lines.filter((line) => line.includes('what is no message'))).toHaveLength(1)
  })

  verifies('faults:contained', 'whose answer nobody could write again is at fault, not the gateway', async () => {
    await using gateway = await boot({ config })
    expect(await call(gateway, 'deep', { status: 502 })).toMatchObject({
      detail: { error: 'upstream_protocol_error', server: 'faulty', stage: 'call' },
    })
    expect(await call(gateway, 'fine')).toMatchObject({ content: [{ text: 'fine' }] })
  })

  verifies('stdio:no-orphans', 'that nothing but force ends is gone when the gateway has closed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'toolgate-immortal-'))
    const file = join(folder, 'said')
    try {
      const { command, args } = scriptedStdio(`const asked = (message) => message.id && answer(message, { tools: [] })
        ${immortal}`)
      const server = { command: 'sh', args: ['-c', `exec "$0" "$@" 2> '${file}'`, command, ...args] }
      const pids = () => [...readFileSync(file, 'utf8').matchAll(/child (\d+)\n/g)].map(([, pid]) => Number(pid))
      {
        await using _gateway = await boot({ config: { mcp_servers: { immortal: server } } })
        await vi.waitFor(() => expect(pids()).toHaveLength(2), 5_000)
      }
      await vi.waitFor(() => expect(pids().filter(isRunning)).toEqual([]))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
