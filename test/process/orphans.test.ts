import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { immortal, scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { isRunning } from '@toolgate/testing/processes'
import { afterEach, beforeEach, describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, type GatewayProcess, type Place } from './gateway-process.ts'

describe('the children of a gateway', () => {
  let place: Place
  const pids = () => {
    const file = join(place.folder, 'said')
    const said = existsSync(file) ? readFileSync(file, 'utf8') : ''
    return [...said.matchAll(/child (\d+)\n/g)].map(([, pid]) => Number(pid))
  }

  beforeEach(() => {
    place = createPlace()
  })
  afterEach(() => {
    for (const pid of pids().filter(isRunning)) process.kill(pid, 'SIGKILL')
    place[Symbol.dispose]()
  })

  /** A gateway with a stdio server that ignores the end of its input and SIGTERM, and has a child that does the same. */
  const startWithImmortals = async (): Promise<GatewayProcess> => {
    const { command, args } = scriptedStdio(
      `const asked = (message) => message.id && answer(message, { tools: [] })\n${immortal}`,
    )
    const redirected = ['-c', `exec "$0" "$@" 2> '${join(place.folder, 'said')}'`, command, ...args]
    const config = place.write('config.yaml', {
      general_settings: { master_key: 'sk-of-this-test' },
      mcp_servers: { immortal: { command: 'sh', args: redirected } },
    })
    const gateway = place.startGateway({ config })
    await gateway.listening()
    await vi.waitFor(() => expect(pids()).toHaveLength(2), { timeout: 5_000 })
    expect(pids().map(isRunning)).toEqual([true, true])
    return gateway
  }

  verifies('stdio:no-orphans', 'are gone within seconds after it was killed, with all that they started', async () => {
    await using gateway = await startWithImmortals()
    gateway.signal('SIGKILL')
    await gateway.ended
    await vi.waitFor(() => expect(pids().filter(isRunning)).toEqual([]), { timeout: 5_000, interval: 50 })
  })

  verifies('stdio:no-orphans', 'are gone when it has stopped', async () => {
    await using gateway = await startWithImmortals()
    gateway.signal('SIGTERM')
    expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })
    expect(pids().filter(isRunning)).toEqual([])
  })
})
