import type { JsonObject } from './json-rpc.ts'
import type { ServerDefinition } from './server.ts'
import type { TracedCall } from './trace.ts'

/** What a request is aimed at; which kind a method has is one table in `manager`. */
export type TargetKind = 'tool' | 'prompt' | 'resource' | 'server'

/** Where a request goes: located by name, before anyone asked whether the caller may. */
export interface Target<Server extends ServerDefinition = ServerDefinition> {
  readonly server: Server
  readonly kind: TargetKind
  /** The upstream's own name; absent for the server itself. */
  readonly name?: string | undefined
}

/** A request to one upstream, by its own names. */
export interface UpstreamCall<Server extends ServerDefinition = ServerDefinition> extends TracedCall {
  readonly target: Target<Server>
  readonly method: string
  readonly params: JsonObject
}

declare const authorized: unique symbol

/**
 * A call that `authorize` let through. The brand cannot be forged without a cast, and there is one such cast: policies
 * and the centre of the spine take only this, so skipping authorization does not compile.
 */
export type AuthorizedCall<Server extends ServerDefinition = ServerDefinition> = UpstreamCall<Server> & {
  readonly [authorized]: true
}
