import type { HttpBindings } from '@hono/node-server'
import type { Caller, Principal } from '@toolgate/core'
import type { ManagedServer } from '@toolgate/manager'

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
  /** The same, where a token that has run out since the request came counts as good. */
  readonly still: (signal: AbortSignal) => Promise<Principal>
}

/** Servers that a request is for, as one caller. */
export interface Aim {
  readonly caller: Caller
  readonly servers: readonly ManagedServer[]
  /** They are all that the request is for, and one. */
  readonly onlyServer: boolean
}

/** What travels with a request through Hono. `Bindings` is empty where a test calls the app in process. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    caller: Caller
    admission: Admission
    /** Which servers the request may be for, where it is for any; asked by whoever wants to say so. May reject as the request does. */
    aims?: () => Promise<readonly Aim[]>
    /** For the answer, whatever it turns out to be. */
    answerHeaders?: Readonly<Record<string, string>>
  }
}
