import { type Clock, type Logger, type NewId, sleep } from '@toolgate/core'
import { createBrokenStreams } from './broken-streams.ts'
import { EventWriter } from './event-writer.ts'
import type { Notice } from './notices.ts'
import { createResumptions } from './resumptions.ts'
import type { Session } from './session.ts'
import type { SessionStore, StreamEvent } from './session-store.ts'

/** What is kept in memory of a stream that is whole, so that its end can be sent again where it broke unnoticed. */
const maxTailEvents = 200
const maxTailLength = 256 * 1024

/** Streams that ended lately and whose client may not have read the end; the oldest is forgotten first. */
const maxEnded = 256
const endedKeptMs = 60_000

/** How often the store is asked for more of a stream that is being resumed, and for how long. */
const pollMs = 500
const maxFollowMs = 5 * 60_000

/**
 * Streams of sessions that a client may come back to (spec 2025-11-25, Transports, Resumability). While one is whole nothing
 * is written; what is sent after it broke goes to the store, where every gateway finds it.
 */
export interface Streams {
  /** `onAbandoned`: nobody came back for what broke, or too much of it waits: what goes on behind it is to end. */
  begin(session: Session, onAbandoned: () => void): StreamLog
  /**
   * Sends what came after an event, and what still comes, until the stream's end. Resolves then, or when `signal` aborts, when
   * the session ends, and at once where too many are being resumed.
   */
  follow(session: Session, after: StreamPlace, sink: StreamSink): Promise<void>
  /** The client came back for it, so it is broken, whatever its socket says. Whether it is one of here. */
  breakHere(streamId: string): boolean
}

export interface StreamLog {
  /** The id of an event that is before all others. */
  readonly start: string
  /** Notes a message that is sent; its event's id. */
  note(message: string): string
  /** Nothing arrives any more. */
  break(): void
  end(): void
}

export interface StreamPlace {
  readonly streamId: string
  readonly position: number
}

export interface StreamSink {
  readonly signal: AbortSignal
  write(message: string, id: string): void
}

export interface StreamsOptions {
  readonly store: Pick<SessionStore, 'appendEvents' | 'eventsAfter'>
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
  announce(notice: Notice): Promise<void>
}

/** Where a client was, by the `Last-Event-ID` that it sends; undefined where that is none of ours. */
export function readEventId(text: string): StreamPlace | undefined {
  const [, streamId, position] = /^(stream_\w+)\.(\d{1,9})$/.exec(text) ?? []
  return streamId === undefined ? undefined : { streamId, position: Number(position) }
}

export function createStreams({ store, clock, log, newId, announce }: StreamsOptions): Streams {
  const here = new Map<string, LoggedStream>()
  const broken = createBrokenStreams(clock)
  const resumptions = createResumptions()
  const ended = new Set<string>()

  const forget = (id: string) => {
    here.delete(id)
    ended.delete(id)
  }
  const keepEnded = (id: string) => {
    ended.add(id)
    const [oldest] = ended
    if (ended.size > maxEnded && oldest !== undefined) forget(oldest)
    clock.after(endedKeptMs, () => forget(id))
  }
  const breakHere = (streamId: string): boolean => {
    here.get(streamId)?.break()
    broken.cameBack(streamId)
    return here.has(streamId)
  }

  return {
    breakHere,
    begin(session, onAbandoned) {
      const id = newId('stream')
      const append = async (events: readonly StreamEvent[]) => {
        try {
          await store.appendEvents({ id, sessionId: session.id }, events)
        } catch (error) {
          // Who comes back for it misses these; the call itself has been done.
          log.warn({ err: error }, 'what was sent on a broken stream could not be kept')
        }
      }
      const stream = new LoggedStream(id, {
        append,
        broken: () => broken.add({ id, sessionId: session.id, abandon: onAbandoned }),
        ended() {
          broken.delete(id)
          keepEnded(id)
        },
      })
      here.set(id, stream)
      return stream
    },
    async follow(session, { streamId, position }, sink) {
      using resumption = resumptions.begin(session)
      if (resumption === undefined) return
      if (!breakHere(streamId)) await announce({ kind: 'resume', streamId })
      const until = clock.monotonic() + maxFollowMs
      let from = position
      while (!sink.signal.aborted && !session.ended && clock.monotonic() < until) {
        const events = await store.eventsAfter({ id: streamId, sessionId: session.id }, from)
        for (const event of events) {
          from = event.position
          if (event.last) return
          sink.write(event.message, `${streamId}.${event.position}`)
        }
        await sleep(clock, pollMs, sink.signal)
      }
    },
  }
}

interface LoggedStreamOptions {
  /** Never rejects. */
  append(events: readonly StreamEvent[]): Promise<void>
  /** Before it ended. */
  broken(): void
  ended(): void
}

class LoggedStream implements StreamLog {
  readonly start: string
  readonly #id: string
  readonly #options: LoggedStreamOptions
  #tail: StreamEvent[] = []
  #tailLength = 0
  #position = 0
  #broken = false
  #over = false
  readonly #writer: EventWriter

  constructor(id: string, options: LoggedStreamOptions) {
    this.#id = id
    this.#options = options
    this.#writer = new EventWriter(options.append)
    this.start = `${id}.0`
  }

  note(message: string): string {
    return `${this.#id}.${this.#keep({ message, last: false })}`
  }

  break(): void {
    if (this.#broken) return
    this.#broken = true
    if (!this.#over) this.#options.broken()
    this.#writer.add(this.#tail.splice(0))
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    this.#keep({ message: '', last: true })
    this.#options.ended()
  }

  #keep(event: Pick<StreamEvent, 'message' | 'last'>): number {
    this.#position += 1
    const kept = { position: this.#position, ...event }
    if (this.#broken) this.#writer.add([kept])
    else this.#remember(kept)
    return this.#position
  }

  #remember(event: StreamEvent): void {
    this.#tail.push(event)
    this.#tailLength += event.message.length
    while (this.#tail.length > maxTailEvents || this.#tailLength > maxTailLength) {
      const dropped = this.#tail.shift()
      if (dropped === undefined) return
      this.#tailLength -= dropped.message.length
    }
  }
}
