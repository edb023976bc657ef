import type { Clock, OutcomeStatus, UpstreamStage } from '@toolgate/core'
import type { Catalog } from './catalog/catalog.ts'
import type { QuarantinedItem } from './catalog/listing.ts'
import type { Attempt } from './catalog/prober.ts'
import { createHealthHistory, type HealthChange, type HealthRecord } from './health-history.ts'
import { type HealthStatus, healthStatusOf } from './health-status.ts'
import type { ManagedServer } from './registry/managed-server.ts'
import type { Circuits, CircuitState } from './upstream/circuit.ts'

/**
 * The one health probe: connect with the service's own credential and list the tools. It knows no user, so a server that
 * only a user's credential opens is `needs_auth` and never a failure. A server that calls cannot reach is never healthy,
 * whatever its last probe said.
 */
export interface Health {
  /** Asks now, whatever its circuit says, and answers within ten seconds. Rejects only when `signal` aborts. */
  check(server: ManagedServer, signal: AbortSignal): Promise<ServerHealth>
  /** The same for whoever only uses the server: behind an open circuit nobody is asked. */
  look(server: ManagedServer, signal: AbortSignal): Promise<ServerHealth>
  /** What is known without asking; `unknown` before the first attempt. */
  last(server: ManagedServer): ServerHealth
  /** When servers came to be what they are, the newest first, within a bound; since this process started. */
  history(): readonly HealthRecord[]
  /** Hears of each change of status, stage or circuit, whether a probe or calls found it. Must not throw. */
  watch(watcher: (change: HealthChange) => void): void
}

export interface ServerHealth {
  readonly status: HealthStatus
  /** Whether calls are let through to it. */
  readonly circuit: CircuitState
  /** Tools that are withheld until an administrator approves them; that makes no server unhealthy. */
  readonly held: readonly QuarantinedItem[]
  /** What the last attempt came to; absent for `unknown`. */
  readonly outcome?: OutcomeStatus | undefined
  /** Of a failure, in the system's word: `ECONNREFUSED`, `ENOTFOUND`, … For operators alone. */
  readonly cause?: string | undefined
  /** One sentence; absent for `healthy` and `unknown`. */
  readonly message?: string | undefined
  /** Where it failed, as far as that is known. */
  readonly stage?: UpstreamStage | undefined
  /** Milliseconds since the epoch: since when it has been so. */
  readonly since?: number | undefined
  /** Milliseconds that the last attempt took. */
  readonly latencyMs?: number | undefined
  /** Attempts in a row that failed. */
  readonly failures?: number | undefined
  /** Milliseconds since the epoch; absent where it was never asked. */
  readonly checkedAt?: number | undefined
}

export interface HealthOptions {
  readonly catalog: Pick<Catalog, 'probe' | 'last' | 'watch' | 'doubts'>
  readonly circuits: Pick<Circuits, 'status' | 'watch'>
  readonly clock: Clock
}

export function createHealth({ catalog, circuits, clock }: HealthOptions): Health {
  const history = createHealthHistory(clock)

  const healthOf = (server: ManagedServer, attempt: Attempt | undefined): ServerHealth => {
    const { state: circuit, since, message, cause } = circuits.status(server)
    const { held } = catalog.doubts(server)
    const health = { ...(attempt === undefined ? ({ status: 'unknown' } as const) : toHealth(attempt)), held }
    if (circuit === 'closed' || health.status === 'unhealthy') return { ...health, circuit }
    return { ...health, status: 'unhealthy', outcome: 'unreachable', stage: 'connect', message, cause, since, circuit }
  }

  const watchers: ((change: HealthChange) => void)[] = []
  const note = (server: ManagedServer, attempt: Attempt | undefined) => {
    const health = healthOf(server, attempt)
    // A server that calls reached before its first probe.
    const change = health.status === 'unknown' ? undefined : history.note(server, health)
    if (change !== undefined) for (const watcher of watchers) watcher(change)
  }
  const noteCalls = (server: ManagedServer) => note(server, catalog.last(server))
  catalog.watch((attempt, kind) => {
    if (kind === 'tools') note(attempt.server, attempt)
  })
  circuits.watch({ opened: noteCalls, closed: noteCalls })

  return {
    check: async (server, signal) => healthOf(server, await catalog.probe(server, signal, { despiteCircuit: true })),
    look: async (server, signal) => healthOf(server, await catalog.probe(server, signal, { despiteCircuit: false })),
    last: (server) => healthOf(server, catalog.last(server)),
    history: history.newestFirst,
    watch: (watcher) => void watchers.push(watcher),
  }
}

/** An old list does not make a server better: what counts is why no new one could be read. */
function toHealth({ outcome, failure = outcome, ...facts }: Attempt): Omit<ServerHealth, 'circuit' | 'held'> {
  const { at, since, latencyMs, failures, cause } = facts
  const { status, message, stage } = failure
  return {
    status: healthStatusOf(status),
    outcome: status,
    message,
    stage,
    cause,
    since,
    latencyMs: Math.round(latencyMs),
    failures,
    checkedAt: at,
  }
}
