import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'

/** Headers of the request that go along to a provider of its own dialect: those of the pattern, and none that authenticates. */
export function passingHeaders({ req }: Context<AppEnv>, pattern: RegExp): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(req.header()).filter(([name]) => pattern.test(name)))
}
