import type { HttpBindings } from '@hono/node-server'
import type { Caller, Principal } from '@toolgate/core'

/** With which credential the request came in, for those who may not see it. */
export interface Admission {
  /** The name of the header that held it. */
  readonly credentialHeader: string | undefined
  /** Whether a text holds it. */
  isIn(text: string): boolean
  /** The caller as one part of the request wants it: with headers of its own set aside for upstreams. */
  callerWith(headers: Readonly<Record<string, string>>): Promise<Caller>
  /** Who the caller is by now. Rejects as the request itself would where it may come in no more. */
  readonly again: (signal: AbortSignal) => Promise<Principal>
}

/** What travels with a request through Hono. `Bindings` is empty where a test calls the app in process. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    caller: Caller
    admission: Admission
    /** The one server that the request is for, as it names it, where there is one. */
    onlyServer: string | undefined
    /** For the answer, whatever it turns out to be. */
    answerHeaders?: Readonly<Record<string, string>>
  }
}
