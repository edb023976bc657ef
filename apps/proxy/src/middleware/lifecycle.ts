import { GatewayError } from '@toolgate/core'
import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../app-env.ts'
import { doorOf } from '../door.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** Counts requests under way, so that a stop can wait for them. A stream counts until its connection closes. */
export function countInFlight(lifecycle: Lifecycle) {
  return createMiddleware<AppEnv>(function countInFlight(context, next) {
    const end = lifecycle.begin()
    const { outgoing } = context.env ?? {}
    if (outgoing === undefined) return next().finally(end)
    outgoing.once('close', end)
    return next()
  })
}

/**
 * While the gateway drains, probes are answered and new work is refused as worth trying again. What was under way finishes.
 * Every answer ends its connection, so that the client's next request finds another gateway or the next one.
 */
export function refuseWhileDraining(lifecycle: Pick<Lifecycle, 'phase'>) {
  return createMiddleware<AppEnv>(async function refuseWhileDraining(context, next) {
    if (lifecycle.phase === 'draining' && doorOf(context.req.path) !== 'health') {
      context.header('connection', 'close')
      throw new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.')
    }
    await next()
    if (lifecycle.phase === 'draining') context.header('connection', 'close')
  })
}
