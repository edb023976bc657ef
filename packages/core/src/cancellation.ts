/**
 * As much of an `AbortSignal` as a request on the wire needs to know. Every `AbortSignal` is one; where one is made for each
 * call, {@link Cancellation} costs a fraction of an `AbortController` and its listeners, and leaves less for the collector.
 */
export interface CancelSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Aborts once; the first reason stands. Listeners are called once, in their order, and must not throw. */
export class Cancellation implements CancelSignal {
  #aborted = false
  #reason: unknown
  #listeners: readonly (() => void)[] = none

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = [...this.#listeners, listener]
  }

  removeEventListener(_: 'abort', removed: () => void): void {
    this.#listeners = this.#listeners.filter((listener) => listener !== removed)
  }

  abort(reason?: unknown): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    const listeners = this.#listeners
    this.#listeners = none
    for (const listener of listeners) listener()
  }
}

const none: readonly (() => void)[] = []
