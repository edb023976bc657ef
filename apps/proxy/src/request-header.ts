import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'

/**
 * A header of which there is one, by its lower-case name, for what every request is asked: the server has read it anyway,
 * where `context.req.header` makes a `Headers` of all there are.
 */
export function requestHeader({ env, req }: Context<AppEnv>, name: string): string | undefined {
  const { incoming } = env ?? {}
  if (incoming === undefined) return req.header(name)
  const value = incoming.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
