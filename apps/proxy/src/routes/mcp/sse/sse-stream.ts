import type { Principal } from '@toolgate/core'
import type { Session } from '@toolgate/manager'
import type { EventStream } from '../event-stream.ts'

/** Requests of one stream that are answered at a time: their POSTs are over, so nothing else bounds them. */
const maxAtOnce = 100

/** One client's event stream: everything that it is told goes there. */
export class SseStream {
  readonly id: string
  readonly owner: string
  readonly events: EventStream
  /** `x-mcp-servers` of the request that opened it. */
  readonly servers: string | undefined
  /** From the answer to `initialize` on. */
  session: Session | undefined
  #opensSession = false
  #running = 0
  #leaving = false

  constructor(
    id: string,
    { principal, events, servers }: { principal: Principal; events: EventStream; servers: string | undefined },
  ) {
    this.id = id
    this.owner = principal.id
    this.events = events
    this.servers = servers
  }

  get full(): boolean {
    return this.#running >= maxAtOnce
  }

  /** Until disposed, a session is being opened on it; undefined where there is one, or one is on its way. */
  beginSession(): Disposable | undefined {
    if (this.session !== undefined || this.#opensSession) return undefined
    this.#opensSession = true
    return { [Symbol.dispose]: () => void (this.#opensSession = false) }
  }

  /** Until disposed, a request is being answered. */
  begin(): Disposable {
    this.#running += 1
    return {
      [Symbol.dispose]: () => {
        this.#running -= 1
        this.#closeIfDone()
      },
    }
  }

  /** Ends with what runs at the moment. */
  leave(): void {
    this.#leaving = true
    this.#closeIfDone()
  }

  #closeIfDone(): void {
    if (this.#leaving && this.#running === 0) this.events.close()
  }
}

/** The streams of this gateway. */
export class SseStreams {
  readonly #byId = new Map<string, SseStream>()
  readonly #maxPerOwner: number

  constructor({ maxPerOwner }: { maxPerOwner: number }) {
    this.#maxPerOwner = maxPerOwner
  }

  find(id: string): SseStream | undefined {
    return this.#byId.get(id)
  }

  /** Whether this owner may open no other. */
  isFull({ id }: Principal): boolean {
    return [...this.#byId.values()].filter(({ owner }) => owner === id).length >= this.#maxPerOwner
  }

  /** Until it ends. */
  add(stream: SseStream): void {
    this.#byId.set(stream.id, stream)
    stream.events.signal.addEventListener('abort', () => this.#byId.delete(stream.id))
  }
}
