import process from 'node:process'
import type { Logger } from '@toolgate/core'
import { createWatchdog } from './watchdog.ts'

/** Children of one gateway at a time, over all stdio servers and callers. */
export const maxChildProcesses = 64

export interface ChildProcessesOptions {
  readonly log: Logger
  readonly limit?: number
}

/** The child processes of one gateway, counted and watched. Made once per gateway; starts nothing until the first child. */
export interface ChildProcesses {
  /** Takes a place for one child; undefined where all are taken. */
  admit(): ChildPlace | undefined
  readonly size: number
}

/** One child's place: taken before it is spawned, given back when it is reaped or was never spawned. */
export interface ChildPlace {
  /** It runs, as leader of a process group of this number. */
  spawned(group: number): void
  release(): void
}

export function createChildProcesses({ log, limit = maxChildProcesses }: ChildProcessesOptions): ChildProcesses {
  const watchdog = createWatchdog(log)
  let size = 0
  return {
    get size() {
      return size
    },
    admit() {
      if (size >= limit) return undefined
      size += 1
      let group: number | undefined
      let released = false
      return {
        spawned(leader) {
          if (!hasProcessGroups) return
          group = leader
          watchdog.watch(leader)
        },
        release() {
          if (released) return
          released = true
          size -= 1
          if (group !== undefined) watchdog.forget(group)
        },
      }
    },
  }
}

/** Elsewhere only the child itself can be signalled. */
export const hasProcessGroups = process.platform !== 'win32'
