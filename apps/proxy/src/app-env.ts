import type { HttpBindings } from '@hono/node-server'
import type { Caller, Principal } from '@toolgate/core'

/** What travels with a request through Hono. `Bindings` is empty where a test calls the app in process. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    caller: Caller
    /** The caller as one part of the request wants it: with headers of its own set aside for upstreams. */
    callerWith: (headers: Readonly<Record<string, string>>) => Promise<Caller>
    /** Who the caller is by now. Rejects as the request itself would where it may come in no more. */
    admitAgain: (signal: AbortSignal) => Promise<Principal>
    /** The name of the header that held the credential of the request. */
    credentialHeader: string | undefined
    /** The one server that the request is for, as it names it, where there is one. */
    onlyServer: string | undefined
    /** For the answer, whatever it turns out to be. */
    answerHeaders?: Readonly<Record<string, string>>
    /** Whether a text holds the credential that the request was admitted with. */
    holdsCredential: (text: string) => boolean
  }
}
