import { GatewayError } from '@toolgate/core'
import { doorOf } from '../door.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Passage } from './joined.ts'

/**
 * Counts requests under way, so that a stop can wait for them; a stream counts until its connection closes. While the gateway
 * drains, probes are answered and new work is refused as worth trying again. What was under way finishes. Every answer then
 * ends its connection, so that the client's next request finds another gateway or the next one.
 */
export function withinLifecycle(lifecycle: Pick<Lifecycle, 'phase' | 'begin'>): Passage {
  return async function withinLifecycle(context, next) {
    if (lifecycle.phase === 'draining' && doorOf(context.req.path) !== 'health') {
      context.header('connection', 'close')
      throw new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.')
    }
    const end = lifecycle.begin()
    const { outgoing } = context.env ?? {}
    outgoing?.once('close', end)
    try {
      await next()
    } finally {
      if (outgoing === undefined) end()
    }
    if (lifecycle.phase === 'draining') context.header('connection', 'close')
  }
}
