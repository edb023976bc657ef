import type { Cancel, Clock, GatewayError, JsonObject, JsonRpcRequest, JsonValue, Peer, Secret } from '@toolgate/core'
import { Cancellation, isJsonObject } from '@toolgate/core'
import type { UpstreamRequest } from './connection.ts'
import { cancelled, type FailurePlace, stageOf, timedOut } from './failure.ts'

export interface CallContext {
  readonly id: number
  readonly server: string
  readonly clock: Clock
}

/**
 * One request on its way: its two clocks, its cancellation and the way back to who asked. It ends once, with the first of
 * answer, cancellation, time-out or loss of the connection; `cancellation` is what the socket listens to.
 *
 * Dispose it when the answer is in, or it keeps listening to its caller.
 */
export class InFlightCall implements Disposable {
  readonly id: number
  readonly place: FailurePlace
  readonly message: JsonRpcRequest
  readonly headers: ReadonlyMap<string, Secret>
  readonly peer: Peer
  /** Why it ended before its answer came. */
  failure: GatewayError | undefined
  readonly cancellation = new Cancellation()

  readonly #clock: Clock
  readonly #idleTimeoutMs: number
  readonly #callerToken: JsonValue | undefined
  readonly #caller: AbortSignal
  readonly #cancelTotal: Cancel
  #cancelIdle: Cancel = () => {}
  #signal: AbortSignal | undefined
  #holds = 0
  #over = false

  /** Throws where the caller has gone already. */
  constructor(request: UpstreamRequest, { id, server, clock }: CallContext) {
    this.id = id
    this.place = { server, stage: stageOf(request.method) }
    if (request.signal.aborted) throw cancelled(this.place, request.signal.reason)
    this.headers = request.headers
    this.peer = request.peer
    this.#clock = clock
    this.#idleTimeoutMs = request.idleTimeoutMs
    this.#callerToken = progressTokenOf(request.params)
    const params = this.#callerToken === undefined ? request.params : withProgressToken(request.params, id)
    this.message = { jsonrpc: '2.0', id, method: request.method, params }

    this.#caller = request.signal
    this.#caller.addEventListener('abort', this.#leave, { once: true })
    this.#cancelTotal = clock.after(request.totalTimeoutMs, () =>
      this.fail(timedOut(this.place, request.totalTimeoutMs)),
    )
    this.alive()
  }

  /** The same for those who need the real thing, which few calls come to. */
  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.cancellation)
    return this.#signal
  }

  /** A sign of life: the idle time starts again. The total does not. */
  alive(): void {
    this.#cancelIdle()
    if (this.#holds > 0 || this.#over) return
    this.#cancelIdle = this.#clock.after(this.#idleTimeoutMs, () =>
      this.fail(timedOut(this.place, this.#idleTimeoutMs)),
    )
  }

  /** The upstream waits for the caller, not the other way round: until disposed, its silence is no idle time. */
  hold(): Disposable {
    this.#holds += 1
    this.#cancelIdle()
    return {
      [Symbol.dispose]: () => {
        this.#holds -= 1
        this.alive()
      },
    }
  }

  /** Progress under the caller's own token; a caller that sent none hears none. */
  progress(params: JsonObject): void {
    this.alive()
    if (this.#callerToken === undefined) return
    this.peer.notify({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { ...params, progressToken: this.#callerToken },
    })
  }

  /** Ends it early, once: the first reason stands. */
  fail(failure: GatewayError): void {
    if (this.#over) return
    this.failure = failure
    this[Symbol.dispose]()
    this.cancellation.abort(failure)
  }

  [Symbol.dispose](): void {
    if (this.#over) return
    this.#over = true
    this.#cancelTotal()
    this.#cancelIdle()
    this.#caller.removeEventListener('abort', this.#leave)
    // A question to the caller that nobody waits for any more; without one there is nothing to stop.
    if (this.#holds > 0) this.cancellation.abort(new DOMException('The call is over.', 'AbortError'))
  }

  readonly #leave = () => this.fail(cancelled(this.place, this.#caller.reason))
}

function signalOf(cancellation: Cancellation): AbortSignal {
  const controller = new AbortController()
  const leave = () => controller.abort(cancellation.reason)
  if (cancellation.aborted) leave()
  else cancellation.addEventListener('abort', leave)
  return controller.signal
}

function progressTokenOf({ _meta: meta }: JsonObject): JsonValue | undefined {
  return isJsonObject(meta) ? meta['progressToken'] : undefined
}

/**
 * Tokens are unique per session (spec 2025-11-25, Progress), and callers that share one choose the same ones: upstream, the
 * request's own id stands in.
 */
function withProgressToken(params: JsonObject, progressToken: number): JsonObject {
  const meta = params['_meta']
  return { ...params, _meta: { ...(isJsonObject(meta) && meta), progressToken } }
}
