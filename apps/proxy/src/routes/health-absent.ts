import { GatewayError } from '@toolgate/core'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'

/**
 * What LiteLLM's dashboards and probes ask of things that this gateway does not have: answered as what they are, absent,
 * and never as if they worked.
 */
export function absentHealthRoutes() {
  const noCache = () => {
    throw new GatewayError(
      'INVALID_REQUEST',
      'No cache is configured: this gateway uses no Redis and caches no answers.',
    )
  }
  return new Hono<AppEnv>()
    .get('/test', (context) => context.json({ route: context.req.path }))
    .get('/health/services', (context) => refuseService(context))
    .get('/health/shared-status', (context) =>
      context.json({
        shared_health_check_enabled: false,
        message: 'Every gateway checks its servers itself. Models are checked when /health is asked.',
      }),
    )
    .get('/health/license', (context) =>
      context.json({
        has_license: false,
        license_type: 'community',
        expiration_date: null,
        allowed_features: [],
        limits: { max_users: null, max_teams: null },
        message: 'Every feature is free to use; there are no licenses.',
      }),
    )
    .get('/cache/ping', noCache)
    .get('/cache/redis/info', noCache)
}

function refuseService(context: Context<AppEnv>): never {
  const service = context.req.query('service')
  const details = { details: { field: 'service' } }
  if (service === undefined || service === '') {
    throw new GatewayError('INVALID_REQUEST', 'service: name the logging or alerting service to test.', details)
  }
  throw new GatewayError(
    'INVALID_REQUEST',
    'service: no logging or alerting service is configured, so there is none to test.',
    details,
  )
}
