import type { OutcomeStatus } from '@toolgate/core'

/** `needs_auth`: only a user's credential opens it, which is no failure of the server. */
export type HealthStatus = 'healthy' | 'unhealthy' | 'needs_auth' | 'unknown'

const healthOf: Readonly<Record<OutcomeStatus, HealthStatus>> = {
  ok: 'healthy',
  needs_auth: 'needs_auth',
  stale: 'unhealthy',
  rejected: 'unhealthy',
  timeout: 'unhealthy',
  unreachable: 'unhealthy',
  protocol_error: 'unhealthy',
}

/** What the outcome of an attempt says about its server. */
export function healthStatusOf(status: OutcomeStatus): HealthStatus {
  return healthOf[status]
}
