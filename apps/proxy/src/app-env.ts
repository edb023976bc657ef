import type { HttpBindings } from '@hono/node-server'
import type { Caller } from '@toolgate/core'

/** What travels with a request through Hono. `Bindings` is empty where a test calls the app in process. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    caller: Caller
  }
}
