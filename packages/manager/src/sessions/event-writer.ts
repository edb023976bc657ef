import type { StreamEvent } from './session-store.ts'

/** What waits to be written of one stream, in events and in characters: a server may tell more than a store takes. */
const maxWaiting = 1_000
const maxWaitingLength = 16 * 1024 * 1024

/** Kept whatever their size: the answer, and that nothing comes after it. */
const alwaysKept = 2

/**
 * Writes the events of one stream in their order, a portion at a time: what comes while one is being written waits for the
 * next. Of what is too much to wait, the oldest is dropped.
 */
export class EventWriter {
  readonly #append: (events: readonly StreamEvent[]) => Promise<void>
  #waiting: StreamEvent[] = []
  #length = 0
  #writing = false

  /** `append` never rejects. */
  constructor(append: (events: readonly StreamEvent[]) => Promise<void>) {
    this.#append = append
  }

  add(events: readonly StreamEvent[]): void {
    for (const event of events) {
      this.#waiting.push(event)
      this.#length += event.message.length
    }
    while (this.#isTooMuch) this.#length -= this.#waiting.shift()?.message.length ?? 0
    if (!this.#writing) void this.#write()
  }

  get #isTooMuch(): boolean {
    const { length } = this.#waiting
    return length > maxWaiting || (length > alwaysKept && this.#length > maxWaitingLength)
  }

  async #write(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0) {
      const portion = this.#waiting
      this.#waiting = []
      this.#length = 0
      await this.#append(portion)
    }
    this.#writing = false
  }
}
