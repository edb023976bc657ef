import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Logger } from '@toolgate/core'

const program = fileURLToPath(new URL('./child-watchdog.ts', import.meta.url))

/** Times that a watchdog which ended by itself is replaced: something on this machine ends them. */
const maxReplacements = 5

/**
 * Ends the process groups that a gateway leaves behind when it is killed. It is a process of its own, there as long as
 * there is something to watch; it never keeps the gateway alive.
 */
export interface Watchdog {
  watch(group: number): void
  /** As soon as the group's leader is reaped: from then on the number may be somebody else's. */
  forget(group: number): void
}

export function createWatchdog(log: Logger): Watchdog {
  const groups = new Set<number>()
  let guard: ChildProcess | undefined
  let replacements = 0

  const tell = (line: string) => void guard?.stdin?.write(line)

  const start = () => {
    const started = spawn(process.execPath, [program], {
      // A group of its own: what is sent to the gateway's group must not end it. An empty environment: NODE_OPTIONS is not meant for it.
      detached: true,
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
      windowsHide: true,
    })
    guard = started
    started.unref()
    const { stdin } = started
    // A pipe is a socket, whose type in Node's declarations has no `unref`.
    if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
    // Whatever became of it, its end says so.
    stdin?.on('error', () => {})
    started.on('error', (error) => log.warn({ err: error }, 'watchdog of child processes cannot be started'))
    started.on('exit', () => {
      if (guard !== started) return
      guard = undefined
      replace()
    })
    for (const group of groups) tell(`+${group}\n`)
  }

  const replace = () => {
    if (groups.size === 0) return
    replacements += 1
    if (replacements > maxReplacements) {
      log.error({}, 'watchdog of child processes keeps ending: children outlive a gateway that is killed')
      return
    }
    log.warn({}, 'watchdog of child processes ended and is replaced')
    start()
  }

  return {
    watch(group) {
      groups.add(group)
      if (guard === undefined) start()
      else tell(`+${group}\n`)
    },
    forget(group) {
      if (!groups.delete(group)) return
      tell(`-${group}\n`)
      if (groups.size > 0) return
      const done = guard
      guard = undefined
      done?.stdin?.end()
    },
  }
}
