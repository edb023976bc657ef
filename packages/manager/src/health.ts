import type { OutcomeStatus } from '@toolgate/core'
import type { Attempt, Catalog } from './catalog/catalog.ts'
import type { ManagedServer } from './registry/managed-server.ts'

/**
 * The one health probe: connect with the service's own credential and list the tools. It knows no user, so a server that
 * only a user's credential opens is `needs_auth` and never a failure.
 */
export interface Health {
  /** Asks now. Rejects only when `signal` aborts. */
  check(server: ManagedServer, signal: AbortSignal): Promise<ServerHealth>
  /** What is known without asking; `unknown` before the first attempt. */
  last(server: ManagedServer): ServerHealth
}

export type HealthStatus = 'healthy' | 'unhealthy' | 'needs_auth' | 'unknown'

export interface ServerHealth {
  readonly status: HealthStatus
  /** One sentence; absent for `healthy` and `unknown`. */
  readonly message?: string | undefined
  /** Milliseconds since the epoch; absent for `unknown`. */
  readonly checkedAt?: number | undefined
}

const healthOf: Readonly<Record<OutcomeStatus, HealthStatus>> = {
  ok: 'healthy',
  needs_auth: 'needs_auth',
  stale: 'unhealthy',
  rejected: 'unhealthy',
  timeout: 'unhealthy',
  unreachable: 'unhealthy',
  protocol_error: 'unhealthy',
}

export function createHealth({ catalog }: { readonly catalog: Catalog }): Health {
  return {
    check: async (server, signal) => toHealth(await catalog.probe(server, signal)),
    last(server) {
      const attempt = catalog.last(server)
      return attempt === undefined ? { status: 'unknown' } : toHealth(attempt)
    },
  }
}

/** An old list does not make a server better: what counts is why no new one could be read. */
function toHealth({ outcome, failure = outcome, at }: Attempt): ServerHealth {
  return { status: healthOf[failure.status], message: failure.message, checkedAt: at }
}
