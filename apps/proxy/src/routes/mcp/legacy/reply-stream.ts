import {
  type Caller,
  type Clock,
  GatewayError,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Peer,
  silentPeer,
} from '@toolgate/core'
import type { Outlet } from '@toolgate/manager'
import { EventStream } from '../event-stream.ts'

/**
 * Milliseconds after which a request that is not answered yet is answered as a stream, where the client takes one: a silent
 * request is cut by proxies on the way, a stream with comments is not.
 */
const lateMs = 10_000

export interface ReplyStreamOptions {
  readonly clock: Clock
  /** The client takes a stream as the answer to a request. */
  readonly allowed: boolean
  /** Of the client's request. */
  readonly gone: AbortSignal
}

/**
 * The answer to one POST: JSON, unless there is something to tell before it. Then it becomes a stream, and the responses are
 * its last messages.
 */
export class ReplyStream implements Outlet, Disposable {
  readonly #options: ReplyStreamOptions
  readonly #started = Promise.withResolvers<Response>()
  readonly #cancelLate: () => void
  #stream: EventStream | undefined
  #done = false

  constructor(options: ReplyStreamOptions) {
    this.#options = options
    this.#cancelLate = options.allowed ? options.clock.after(lateMs, () => void this.#open()) : () => {}
  }

  /** Resolves once it has become a stream. */
  get started(): Promise<Response> {
    return this.#started.promise
  }

  get streaming(): boolean {
    return this.#stream !== undefined
  }

  get signal(): AbortSignal {
    return this.#stream?.signal ?? this.#options.gone
  }

  send(message: JsonRpcNotification | JsonRpcRequest): void {
    if (this.#done || !this.#options.allowed) return
    this.#open().send(message)
  }

  finish(responses: readonly JsonRpcResponse[]): void {
    for (const response of responses) this.#stream?.send(response)
    this.#stream?.close()
  }

  [Symbol.dispose](): void {
    this.#done = true
    this.#cancelLate()
    this.#stream?.close()
  }

  #open(): EventStream {
    if (this.#stream !== undefined) return this.#stream
    this.#stream = new EventStream({ clock: this.#options.clock })
    this.#started.resolve(this.#stream.response)
    return this.#stream
  }
}

/** A client without a session hears what its request causes, and can be asked nothing: no later request would be its answer. */
export function peerWithoutSession(outlet: Outlet): Peer {
  return { ...silentPeer, notify: (notification) => outlet.send(notification) }
}

/** The signal of a request that its client may leave or cancel. */
export function linked(caller: Caller, call: { abort(reason: GatewayError): void }): Disposable {
  const leave = () => call.abort(new GatewayError('CANCELLED', 'The client hung up.'))
  if (caller.signal.aborted) leave()
  caller.signal.addEventListener('abort', leave, { once: true })
  return { [Symbol.dispose]: () => caller.signal.removeEventListener('abort', leave) }
}
