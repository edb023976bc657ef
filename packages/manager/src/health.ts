import type { Clock, UpstreamStage } from '@toolgate/core'
import type { Attempt, Catalog } from './catalog/catalog.ts'
import { createHealthHistory, type HealthRecord } from './health-history.ts'
import { type HealthStatus, healthStatusOf } from './health-status.ts'
import type { ManagedServer } from './registry/managed-server.ts'
import type { Circuits, CircuitState } from './upstream/circuit.ts'

/**
 * The one health probe: connect with the service's own credential and list the tools. It knows no user, so a server that
 * only a user's credential opens is `needs_auth` and never a failure. A server that calls cannot reach is never healthy,
 * whatever its last probe said.
 */
export interface Health {
  /** Asks now, whatever its circuit says. Rejects only when `signal` aborts. */
  check(server: ManagedServer, signal: AbortSignal): Promise<ServerHealth>
  /** What is known without asking; `unknown` before the first attempt. */
  last(server: ManagedServer): ServerHealth
  /** When servers came to be what they are, the newest first, within a bound; since this process started. */
  history(): readonly HealthRecord[]
}

export interface ServerHealth {
  readonly status: HealthStatus
  /** Whether calls are let through to it. */
  readonly circuit: CircuitState
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
  readonly catalog: Pick<Catalog, 'probe' | 'last' | 'watch'>
  readonly circuits: Pick<Circuits, 'status'>
  readonly clock: Clock
}

export function createHealth({ catalog, circuits, clock }: HealthOptions): Health {
  const history = createHealthHistory(clock)

  const healthOf = (server: ManagedServer, attempt: Attempt | undefined): ServerHealth => {
    const { state: circuit, since, message } = circuits.status(server)
    const health = attempt === undefined ? ({ status: 'unknown' } as const) : toHealth(attempt)
    if (circuit === 'closed' || health.status === 'unhealthy') return { ...health, circuit }
    return { ...health, status: 'unhealthy', stage: 'connect', message, since, circuit }
  }

  catalog.watch((attempt, kind) => {
    if (kind === 'tools') history.note(attempt.server, healthOf(attempt.server, attempt))
  })

  return {
    check: async (server, signal) => healthOf(server, await catalog.probe(server, signal)),
    last: (server) => healthOf(server, catalog.last(server)),
    history: history.newestFirst,
  }
}

/** An old list does not make a server better: what counts is why no new one could be read. */
function toHealth({ outcome, failure = outcome, ...facts }: Attempt): Omit<ServerHealth, 'circuit'> {
  const { at, since, latencyMs, failures } = facts
  const { status, message, stage } = failure
  return { status: healthStatusOf(status), message, stage, since, latencyMs, failures, checkedAt: at }
}
