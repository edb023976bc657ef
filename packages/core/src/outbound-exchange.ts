import type { CancelSignal } from './cancellation.ts'
import { GatewayError } from './errors.ts'

export interface ResponseHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What undici hands to whoever takes an answer. */
interface ExchangeControl {
  abort(reason: Error): void
  pause(): void
  resume(): void
}

/** Bytes of a body that wait for whoever reads it piece by piece; beyond it the socket is read no further. */
const maxWaitingBytes = 64 * 1024

/**
 * One request and its answer on undici's wire. Takes the pieces as they come: a stream around every small answer costs more
 * than reading it. It is over once, at the end of the body or with the first failure; then it listens to nothing more.
 */
export class Exchange {
  readonly #head = Promise.withResolvers<ResponseHead>()
  readonly #signal: CancelSignal
  #controller: ExchangeControl | undefined
  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** While the body is read whole: how large it may be. */
  #maxBytes: number | undefined
  #over = false
  #failure: { readonly reason: unknown } | undefined
  #wake = () => {}

  /** `signal` has not aborted yet. */
  constructor(signal: CancelSignal) {
    this.#signal = signal
    signal.addEventListener('abort', this.#abort)
  }

  /** Rejects as soon as the signal aborts, also while undici still waits for a host that accepts no connection. */
  get head(): Promise<ResponseHead> {
    return this.#head.promise
  }

  /** The whole body as UTF-8. */
  async text(maxBytes: number): Promise<string> {
    this.#maxBytes = maxBytes
    this.#admit()
    if (!this.#over) this.#controller?.resume()
    while (!this.#over) await this.#news()
    if (this.#failure !== undefined) throw this.#failure.reason
    const [first, ...more] = this.#waiting
    if (first === undefined) return ''
    return (more.length === 0 ? first : Buffer.concat(this.#waiting)).toString('utf8')
  }

  /** The body piece by piece; whoever stops early drops the rest. */
  async *body(): AsyncGenerator<Uint8Array, void> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.reason
        const piece = this.#waiting.shift()
        if (piece !== undefined) {
          this.#waitingBytes -= piece.length
          if (this.#waitingBytes < maxWaitingBytes && !this.#over) this.#controller?.resume()
          yield piece
        } else if (this.#over) return
        else await this.#news()
      }
    } finally {
      this.discard()
    }
  }

  /** Drops what is still to come, and the connection with it; whoever still reads hears of it. */
  discard(): void {
    this.#leave(givenUp())
  }

  onRequestStart(controller: ExchangeControl): void {
    this.#controller = controller
    if (this.#over) controller.abort(givenUp())
  }

  onResponseStart(_: ExchangeControl, status: number, headers: ResponseHead['headers']): void {
    if (status >= 200) this.#head.resolve({ status, headers })
  }

  onResponseData(_: ExchangeControl, piece: Buffer): void {
    this.#waiting.push(piece)
    this.#waitingBytes += piece.length
    this.#admit()
    this.#wake()
  }

  onResponseEnd(): void {
    this.#end()
  }

  onResponseError(_: unknown, error: Error): void {
    this.#fail(error)
  }

  readonly #abort = () => this.#leave(this.#signal.reason)

  #admit(): void {
    if (this.#maxBytes === undefined) {
      if (this.#waitingBytes >= maxWaitingBytes) this.#controller?.pause()
    } else if (this.#waitingBytes > this.#maxBytes) {
      this.#leave(new GatewayError('UPSTREAM_PROTOCOL', `Answer larger than ${this.#maxBytes} bytes.`))
    }
  }

  #news(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    return promise
  }

  #leave(reason: unknown): void {
    if (this.#over) return
    this.#fail(reason)
    this.#controller?.abort(givenUp())
  }

  #fail(reason: unknown): void {
    if (this.#over) return
    this.#failure = { reason }
    this.#waiting = []
    this.#head.reject(reason)
    this.#end()
  }

  #end(): void {
    this.#over = true
    this.#signal.removeEventListener('abort', this.#abort)
    this.#wake()
  }
}

/** What `classifyOutboundFailure` reads as cancelled. */
function givenUp(): Error {
  return new DOMException('The request was aborted.', 'AbortError')
}
