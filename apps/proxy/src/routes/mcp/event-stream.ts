import type { Clock, JsonRpcMessage } from '@toolgate/core'

/** Milliseconds between comments on a silent stream: proxies on the way cut what says nothing for a minute. */
const heartbeatMs = 15_000

/** Bytes that a client which does not read may have waiting; then its stream is cut. */
const maxWaitingBytes = 16 * 1024 * 1024

const opening = Buffer.from(': open\n\n')
const heartbeat = Buffer.from(':\n\n')

export interface EventStreamOptions {
  readonly clock: Clock
  readonly headers?: Readonly<Record<string, string>>
  /** The first event, where the client is to have an id before anything happened (spec 2025-11-25, Transports). */
  readonly priming?: string | undefined
  /** Called once, when the client has gone before the stream was closed. */
  readonly onBreak?: (() => void) | undefined
}

/**
 * One stream of server-sent events. What is sent after it ended goes nowhere; `signal` says that it ended, whoever ended it.
 */
export class EventStream {
  readonly response: Response
  readonly #controller: ReadableStreamDefaultController<Uint8Array>
  readonly #over = new AbortController()
  readonly #stopHeartbeat: () => void
  readonly #onBreak: (() => void) | undefined

  constructor({ clock, headers, priming, onBreak }: EventStreamOptions) {
    this.#onBreak = onBreak
    const { stream, controller } = openStream(() => this.#broke())
    this.#controller = controller
    this.#stopHeartbeat = clock.every(heartbeatMs, () => this.#write(heartbeat))
    this.response = new Response(stream, {
      headers: {
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache, no-transform',
        // nginx would gather events otherwise.
        'x-accel-buffering': 'no',
        ...headers,
      },
    })
    this.#write(priming === undefined ? opening : Buffer.from(priming))
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** False where it has ended. */
  send(message: JsonRpcMessage, id?: string): boolean {
    if (this.#over.signal.aborted) return false
    this.write(JSON.stringify(message), id)
    return true
  }

  /** A message that was written already. */
  write(message: string, id?: string): void {
    this.#write(Buffer.from(`${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${message}\n\n`))
  }

  /** Any other event; for the legacy transport. */
  event(name: string, data: string): void {
    this.#write(Buffer.from(`event: ${name}\ndata: ${data}\n\n`))
  }

  close(): void {
    if (this.#over.signal.aborted) return
    this.#end()
    this.#controller.close()
  }

  #write(bytes: Uint8Array): void {
    if (this.#over.signal.aborted) return
    this.#controller.enqueue(bytes)
    if ((this.#controller.desiredSize ?? 0) > -maxWaitingBytes) return
    this.#controller.error(new Error('the client does not read its stream'))
    this.#broke()
  }

  #broke(): void {
    if (this.#over.signal.aborted) return
    this.#end()
    this.#onBreak?.()
  }

  #end(): void {
    this.#stopHeartbeat()
    this.#over.abort()
  }
}

function openStream(cancel: () => void) {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given
      },
      cancel,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
  )
  if (controller === undefined) throw new Error('a stream starts when it is made')
  return { stream, controller }
}
