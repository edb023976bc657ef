import type { ManagedServer } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'

/** Notes which servers a request is for, as its caller. Nobody is asked for them until somebody wants to know. */
export function aimAt(context: Context<AppEnv>, servers: () => readonly ManagedServer[]): void {
  // Not `context.var`, which is a new object of all of them each time.
  const caller = context.get('caller')
  context.set('aims', async () => {
    const all = servers()
    return [{ caller, servers: all, onlyServer: all.length === 1 }]
  })
}
