import type { JsonObject, TracedCall } from '@toolgate/core'
import type { Deployment } from './deployment.ts'
import type { Served } from './router/router.ts'
import type { Passing, WireDialect } from './wire.ts'

/** What a model is asked for. */
export type Operation = 'generate' | 'complete' | 'embed'

/** What the policies see. */
export interface ModelCall extends TracedCall {
  readonly operation: Operation
  /** The public name. */
  readonly model: string
  /** The name behind `model` where that is an alias, else the same. */
  readonly meaning: string
  readonly dialect: WireDialect
  readonly body: JsonObject
  readonly passing: Passing | undefined
  readonly ownTools?: ReadonlySet<string> | undefined
  readonly signal: AbortSignal
  readonly deployment?: Deployment | undefined
  readonly onServed?: ((served: Served) => void) | undefined
  /** Streaming: takes the stream and resolves when it has been read or left. */
  readonly deliver?: ((bytes: AsyncIterable<Uint8Array>) => Promise<void>) | undefined
}

/** `body` is absent where the answer was streamed. */
export interface Generation {
  readonly body?: JsonObject | undefined
  readonly usage?: JsonObject | undefined
}
