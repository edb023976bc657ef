import {
  type Caller,
  Cancellation,
  type CancelSignal,
  type Clock,
  GatewayError,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Peer,
  silentPeer,
} from '@toolgate/core'
import type { Outlet, StreamLog } from '@toolgate/manager'
import { isDismissal } from '../../../standing-callers.ts'
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
  /** Where the client can come back for what it missed: once something was sent, its leaving ends nothing. */
  readonly begin?: ((onAbandoned: () => void) => StreamLog) | undefined
  /** The client is given an id before anything happened. */
  readonly primed: boolean
}

/** Milliseconds after which a client whose stream broke may come back. */
const retryMs = 1_000

/**
 * The answer to one POST: JSON, unless there is something to tell before it. Then it becomes a stream, and the responses are
 * its last messages.
 */
export class ReplyStream implements Outlet, Disposable {
  readonly #options: ReplyStreamOptions
  readonly #started = Promise.withResolvers<Response>()
  readonly #cancelLate: () => void
  readonly #over = new Cancellation()
  readonly #abandoned = new Cancellation()
  #stream: EventStream | undefined
  #log: StreamLog | undefined
  #done = false

  constructor(options: ReplyStreamOptions) {
    this.#options = options
    this.#cancelLate = options.allowed ? options.clock.after(lateMs, () => void this.#open()) : () => {}
  }

  /** Resolves once it has become a stream. */
  get started(): Promise<Response> {
    return this.#started.promise
  }

  get isOpen(): boolean {
    return this.#stream !== undefined
  }

  /** Aborted where the client could come back, and does not. */
  get abandoned(): CancelSignal {
    return this.#abandoned
  }

  /** The client can come back for what it misses. */
  get resumable(): boolean {
    return this.#log !== undefined
  }

  get signal(): CancelSignal {
    if (this.resumable) return this.#over
    return this.#stream?.signal ?? this.#options.gone
  }

  send(message: JsonRpcNotification | JsonRpcRequest): boolean {
    if (this.#done || !this.#options.allowed) return false
    this.#write(this.#open(), message)
    return true
  }

  finish(responses: readonly JsonRpcResponse[]): void {
    if (this.#stream === undefined) return
    for (const response of responses) this.#write(this.#stream, response)
  }

  [Symbol.dispose](): void {
    this.#done = true
    this.#cancelLate()
    this.#log?.end()
    this.#stream?.close()
    this.#over.abort()
  }

  #write(stream: EventStream, message: JsonRpcMessage): void {
    const text = JSON.stringify(message)
    stream.write(text, this.#log?.note(text))
  }

  #open(): EventStream {
    if (this.#stream !== undefined) return this.#stream
    const { clock, begin, primed } = this.#options
    const log = begin?.(() => this.#abandoned.abort())
    this.#log = log
    this.#stream = new EventStream({
      clock,
      priming: log !== undefined && primed ? `id: ${log.start}\nretry: ${retryMs}\ndata: \n\n` : undefined,
      onBreak: () => log?.break(),
    })
    this.#started.resolve(this.#stream.response)
    return this.#stream
  }
}

/** A client without a session hears what its request causes, and can be asked nothing: no later request would be its answer. */
export function peerWithoutSession(outlet: Outlet): Peer {
  return { ...silentPeer, notify: (notification) => void outlet.send(notification) }
}

export interface LinkedCall {
  readonly caller: Caller
  readonly call: { abort(reason: GatewayError): void }
  readonly reply: ReplyStream
  /** Goes on looking at the caller for as long as the call outlives its connection. */
  readonly watch: (dismiss: (reason: GatewayError) => void) => () => void
}

/** The signal of a request that its client may leave or cancel. */
export function linked({ caller, call, reply, watch }: LinkedCall): Disposable {
  let stopWatching = () => {}
  const leave = () => {
    const { reason } = caller.signal
    const dismissed = reason instanceof GatewayError && isDismissal(reason)
    if (dismissed) call.abort(reason)
    else if (reply.resumable) stopWatching = watch((because) => call.abort(because))
    else call.abort(new GatewayError('CANCELLED', 'The client hung up.'))
  }
  if (caller.signal.aborted) leave()
  caller.signal.addEventListener('abort', leave, { once: true })
  const forget = () => call.abort(new GatewayError('CANCELLED', 'The client did not come back for its answer.'))
  reply.abandoned.addEventListener('abort', forget)
  return {
    [Symbol.dispose]() {
      caller.signal.removeEventListener('abort', leave)
      stopWatching()
    },
  }
}
