import { type Clock, sleep, systemClock } from '@toolgate/core'

/** Where the process is in its life; what the health routes tell a load balancer. */
export type Phase = 'starting' | 'ready' | 'draining'

export interface Lifecycle {
  readonly phase: Phase
  /** Aborted when the gateway begins to drain: what waits for nothing in particular ends then. */
  readonly leaving: AbortSignal
  enter(phase: Phase): void
  /** Counts a request in; the returned function counts it out, once. */
  begin(): () => void
  readonly inFlight: number
  /** Resolves when the last request has gone, or after `boundMs`. Says whether all had gone. */
  settle(boundMs: number): Promise<boolean>
}

export function createLifecycle(clock: Clock = systemClock): Lifecycle {
  let phase: Phase = 'starting'
  let inFlight = 0
  const leaving = new AbortController()
  let onIdle: (() => void) | undefined

  const end = () => {
    inFlight -= 1
    if (inFlight === 0) onIdle?.()
  }

  return {
    get phase() {
      return phase
    },
    leaving: leaving.signal,
    enter(next) {
      phase = next
      if (next === 'draining') leaving.abort()
    },
    begin() {
      inFlight += 1
      let ended = false
      return () => {
        if (!ended) end()
        ended = true
      }
    },
    get inFlight() {
      return inFlight
    },
    async settle(boundMs) {
      if (inFlight === 0) return true
      const idle = new AbortController()
      onIdle = () => idle.abort()
      await sleep(clock, boundMs, idle.signal)
      return inFlight === 0
    },
  }
}
