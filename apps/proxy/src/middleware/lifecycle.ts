import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../app-env.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** Counts requests under way, so that a stop can wait for them. A stream counts until its connection closes. */
export function countInFlight(lifecycle: Lifecycle) {
  return createMiddleware<AppEnv>(async function countInFlight(context, next) {
    const end = lifecycle.begin()
    const { outgoing } = context.env ?? {}
    if (outgoing !== undefined) {
      outgoing.once('close', end)
      return next()
    }
    try {
      return await next()
    } finally {
      end()
    }
  })
}
