import { type Clock, GatewayError, startDeadline } from '@toolgate/core'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import type { Lifecycle } from '../lifecycle.ts'
import { requireAdmin } from '../require-admin.ts'
import { version } from '../version.ts'

/**
 * What a load balancer asks. Liveness says the process answers; readiness says it may be given work: it migrated, has its
 * servers and their stored lists, and has asked the store for a key once. Neither waits for an upstream.
 */
export interface ProbeOptions {
  readonly lifecycle: Lifecycle
  readonly clock: Clock
  /** Resolves where the key store answers; bounded by the signal. */
  readonly pingStore: (signal: AbortSignal) => Promise<void>
  /** Resolves where a key can be looked up, whether or not there is such a key. */
  readonly lookUpKey: (signal: AbortSignal) => Promise<void>
  readonly healthSettings: () => HealthSettings
}

export interface HealthSettings {
  /** `/health/readiness` tells everybody what `/health/readiness/details` tells keys. */
  readonly publicReadinessDetails: boolean
  /** `/health/drain` works, for everybody. */
  readonly drainEndpoint: boolean
}

/** Milliseconds. A probe must answer before the prober gives up. */
const storePingTimeoutMs = 2_000

export function probeRoutes({ lifecycle, clock, pingStore, lookUpKey, healthSettings }: ProbeOptions) {
  let keyWasLookedUp = false

  const storeAnswers = async () => {
    try {
      using deadline = startDeadline(clock, storePingTimeoutMs)
      await pingStore(deadline.signal)
      if (!keyWasLookedUp) await lookUpKey(deadline.signal)
      keyWasLookedUp = true
      return true
    } catch {
      // The answer to "does it answer" is no; why is in the log of the store's own users.
      return false
    }
  }

  const liveness = (context: Context<AppEnv>) =>
    lifecycle.phase === 'draining' ? context.json({ status: 'shutting_down' }, 503) : context.json("I'm alive!")

  const readiness = async (context: Context<AppEnv>, withDetails: boolean) => {
    const connected = await storeAnswers()
    const ready = lifecycle.phase === 'ready' && connected
    const status = ready ? 'healthy' : lifecycle.phase === 'ready' ? 'unhealthy' : lifecycle.phase
    const minimal = { status, db: connected ? 'connected' : 'Not connected' }
    const details = {
      ...minimal,
      cache: null,
      litellm_version: version,
      success_callbacks: [],
      last_updated: new Date(clock.now()).toISOString(),
    }
    return context.json(withDetails ? details : minimal, ready ? 200 : 503)
  }

  return new Hono<AppEnv>()
    .on(['GET', 'OPTIONS'], ['/health/liveliness', '/health/liveness'], liveness)
    .on(['GET', 'OPTIONS'], '/health/readiness', (context) =>
      readiness(context, healthSettings().publicReadinessDetails),
    )
    .get('/health/readiness/details', (context) => readiness(context, true))
    .get('/health/backlog', (context) => {
      requireAdmin(context.var.caller, context.req.path)
      return context.json({ in_flight_requests: lifecycle.inFlight })
    })
    .get('/health/drain', (context) => {
      if (!healthSettings().drainEndpoint) {
        throw new GatewayError('ROUTE_NOT_FOUND', 'No such route: general_settings.enable_drain_endpoint is not set.')
      }
      lifecycle.enter('draining')
      // Without this request itself.
      return context.json({ status: 'draining', in_flight_requests: Math.max(0, lifecycle.inFlight - 1) })
    })
}
