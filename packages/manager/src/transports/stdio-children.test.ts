import { readFileSync, readdirSync } from 'node:fs'
import process from 'node:process'
import { silentLogger } from '@toolgate/core'
import { immortal, scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { isRunning } from '@toolgate/testing/processes'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { callOf, connected, connectRequestOf, recordingLogger, transportOf } from './connecting.fixture.ts'
import { createChildProcesses } from './stdio/child-processes.ts'

const quiet = scriptedStdio('const asked = (message) => message.id && answer(message)')

/** Watchdogs of this process, found by their script: they are children of it. */
function watchdogs(): readonly number[] {
  const here = String(process.pid)
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
        return parent === here && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('child-watchdog')
      } catch {
        // It ended meanwhile.
        return false
      }
    })
    .map(Number)
}

/** Where the gateway failed to. */
function endLater(pids: readonly number[]): void {
  onTestFinished(() => {
    for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL')
  })
}

describe('the child processes of a gateway', () => {
  it('are bounded over all its servers; a place is free as soon as one has ended', async () => {
    const children = createChildProcesses({ log: silentLogger, limit: 2 })
    await using first = transportOf('stdio', quiet, { children })
    await using second = transportOf('stdio', quiet, { children })
    const one = await first.connect(connectRequestOf())
    await using _two = await connected(second)
    await expect(first.connect(connectRequestOf())).rejects.toMatchObject({
      code: 'UPSTREAM_BUSY',
      message: expect.stringContaining('runs 2 child processes'),
      details: { server: 'github', stage: 'connect' },
    })
    await one.close()
    await using third = await connected(first)
    expect(await third.request(callOf('x'))).toEqual({})
    expect(children.size).toBe(2)
  })

  it('take no place where they cannot be started, or where the caller left', async () => {
    const children = createChildProcesses({ log: silentLogger, limit: 1 })
    await using missing = transportOf('stdio', { command: 'no-such-command-anywhere' }, { children })
    await expect(missing.connect(connectRequestOf())).rejects.toThrow('command not found')
    await expect(missing.connect(connectRequestOf({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    expect(children.size).toBe(0)
    const leaving = new AbortController()
    await using slow = transportOf(
      'stdio',
      { command: process.execPath, args: ['-e', 'process.stdin.resume()'] },
      { children },
    )
    const connecting = slow.connect(connectRequestOf({ signal: leaving.signal }))
    leaving.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'CANCELLED' })
    await vi.waitFor(() => expect(children.size).toBe(0), 5_000)
  })

  it('end with all that they started, though they ignore the end of their input and SIGTERM', async () => {
    await using stdio = transportOf('stdio', scriptedStdio(`const asked = () => {}\n${immortal}`))
    const connection = await stdio.connect(connectRequestOf())
    const said = () => stdio.diagnostics?.()?.stderr ?? ''
    await vi.waitFor(() => expect(said()).toMatch(/grandchild \d+/))
    const pids = [...said().matchAll(/child (\d+)/g)].map(([, pid]) => Number(pid))
    expect(pids).toHaveLength(2)
    endLater(pids)
    expect(pids.map(isRunning)).toEqual([true, true])
    await connection.close()
    await vi.waitFor(() => expect(pids.map(isRunning)).toEqual([false, false]))
  })

  it('that crash leave nothing of what they started', async () => {
    await using stdio = transportOf(
      'stdio',
      scriptedStdio(`const asked = ({ id }) => { if (id !== undefined) process.exit(1) }\n${immortal}`),
    )
    const connection = await stdio.connect(connectRequestOf())
    const said = () => stdio.diagnostics?.()?.stderr ?? ''
    await vi.waitFor(() => expect(said()).toMatch(/grandchild \d+/))
    const grandchild = Number(/grandchild (\d+)/.exec(said())?.[1])
    endLater([grandchild])
    await expect(connection.request(callOf('x'))).rejects.toMatchObject({ details: { exit_code: 1 } })
    await vi.waitFor(() => expect(isRunning(grandchild)).toBe(false))
  })
})

describe('the watchdog', () => {
  it('is there as long as a child is, one for all, and is replaced where it is killed', async () => {
    const log = recordingLogger()
    const children = createChildProcesses({ log })
    // Other files run in this process too, and a gateway of theirs may still be on its way down.
    const others = watchdogs()
    const own = () => watchdogs().filter((pid) => !others.includes(pid))
    await using stdio = transportOf('stdio', quiet, { children })
    const connections = [await stdio.connect(connectRequestOf()), await stdio.connect(connectRequestOf())]
    const [first, ...more] = own()
    if (first === undefined) throw new Error('no watchdog was started')
    expect(more).toEqual([])
    process.kill(first, 'SIGKILL')
    await vi.waitFor(() => {
      expect(log.lines.join()).toContain('is replaced')
      expect(own()).toHaveLength(1)
      expect(own()).not.toContain(first)
    }, 10_000)
    for (const connection of connections) await connection.close()
    await vi.waitFor(() => expect(own()).toEqual([]), 10_000)
  })
})
