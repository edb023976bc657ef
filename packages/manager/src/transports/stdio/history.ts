import type { Clock } from '@toolgate/core'
import type { FailureFacts } from '../../upstream/failure.ts'
import type { TransportDiagnostics } from '../transport.ts'
import type { ChildExit } from './child.ts'
import { createRestarts } from './restarts.ts'

/** What became of the children of one command: decides when the next may start, and is shown to administrators. */
export interface History {
  /** Whether no start of the command has come to an end yet, good or bad: the next one may have to download it. */
  readonly isFirstStart: boolean
  /** Milliseconds until the next start; 0 where it may start at once. */
  readonly delayMs: number
  readonly lastExit: ChildExit | undefined
  begin(): ChildLife
  diagnostics(): TransportDiagnostics
}

/** One child, from its start to its end. */
export interface ChildLife {
  started(facts: ChildFacts): void
  cameUp(): void
  /** It runs and is of no use: it did not come up, or broke the protocol. */
  failed(): void
  /** It is asked to end: what follows is no crash. */
  closing(): void
  /** Returns whether it was a crash. */
  ended(exit: ChildExit): boolean
}

/** What can be read of a child while it is the latest. */
export interface ChildFacts {
  /** Undefined once it has exited. */
  pid(): number | undefined
  stderr(): string
  junkLines(): number
}

export function createHistory(clock: Clock): History {
  const restarts = createRestarts(clock)
  let isFirstStart = true
  let lastExit: ChildExit | undefined
  let latest: ChildFacts | undefined

  const begin = (): ChildLife => {
    let facts: ChildFacts | undefined
    let upSinceMs: number | undefined
    let counted = false
    const settle = (crashed: boolean) => {
      if (counted || facts === undefined) return false
      counted = true
      const livedMs = upSinceMs === undefined ? undefined : clock.monotonic() - upSinceMs
      if (crashed) isFirstStart = false
      restarts.ended({ livedMs, crashed })
      return crashed
    }
    return {
      started(started) {
        facts = started
        latest = started
        restarts.starting()
      },
      cameUp() {
        isFirstStart = false
        upSinceMs = clock.monotonic()
      },
      failed: () => void settle(true),
      closing: () => void settle(false),
      ended(exit) {
        lastExit = exit
        return settle(true)
      },
    }
  }

  return {
    get isFirstStart() {
      return isFirstStart
    },
    get delayMs() {
      return restarts.delayMs
    },
    get lastExit() {
      return lastExit
    },
    begin,
    diagnostics: () => ({
      pid: latest?.pid(),
      stderr: latest?.stderr(),
      junkLines: latest?.junkLines(),
      restarts: restarts.count,
      lastExit,
      nextStartInMs: restarts.delayMs > 0 ? Math.ceil(restarts.delayMs) : undefined,
    }),
  }
}

/** As it completes "MCP server … ". */
export function describeExit({ code, signal }: ChildExit): { why: string; facts: FailureFacts } {
  if (signal !== null) return { why: `has exited on ${signal}`, facts: { exit_signal: signal } }
  return { why: `has exited with code ${code ?? 'unknown'}`, facts: { exit_code: code ?? -1 } }
}
