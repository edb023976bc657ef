import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from '../app-env.ts'

/** Writes the headers that a request's reading gave rise to, whatever its answer turns out to be: also one that is streamed. */
export function answerHeaders(): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    await next()
    for (const [name, value] of Object.entries(context.var.answerHeaders ?? {})) context.res.headers.set(name, value)
  }
}
