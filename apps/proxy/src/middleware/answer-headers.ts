import type { Spending } from '@toolgate/core'
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

/**
 * Has the answer say which deployment it is from, of several rounds the last that began before the answer did, and what all of
 * them cost, where that is known by then.
 */
export function tellingServed(context: Context<AppEnv>, spending?: Spending): (served: Served) => void {
  return (served) => {
    const spend = served.spend === undefined ? undefined : (spending?.total ?? served.spend)
    addAnswerHeaders(context, servedHeaders({ ...served, spend }))
  }
}
