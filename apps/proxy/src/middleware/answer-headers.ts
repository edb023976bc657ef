import type { Served } from '@toolgate/llm'
import type { Context, MiddlewareHandler } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { servedHeaders } from '../render/served.ts'

/** Writes the headers that a request's reading gave rise to, whatever its answer turns out to be: also one that is streamed. */
export function answerHeaders(): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    await next()
    for (const [name, value] of Object.entries(context.var.answerHeaders ?? {})) context.res.headers.set(name, value)
  }
}

export function addAnswerHeaders(context: Context<AppEnv>, headers: Readonly<Record<string, string>>): void {
  context.set('answerHeaders', { ...context.var.answerHeaders, ...headers })
}

/** Has the answer say which deployment it is from; of several rounds the last that began before the answer did. */
export function tellingServed(context: Context<AppEnv>): (served: Served) => void {
  return (served) => addAnswerHeaders(context, servedHeaders(served))
}
