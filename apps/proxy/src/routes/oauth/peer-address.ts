import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'

/** Whose share of a limit it is. Behind a proxy all share one; what it says of others could be said by anybody. */
export function addressOf(context: Context<AppEnv>): string {
  return context.env?.incoming?.socket.remoteAddress ?? 'unknown'
}
