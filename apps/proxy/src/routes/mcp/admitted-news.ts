import { type Clock, type GatewayError, type JsonRpcNotification, type Principal, toGatewayError } from '@toolgate/core'
import { KeptNews, type News } from '@toolgate/manager'
import { isDismissal } from '../../standing-callers.ts'
import type { EventStream } from './event-stream.ts'

/** Milliseconds between looks at whether the caller may still listen; what there is to tell makes one look sooner. */
const admissionMs = 2_000

/**
 * News that wait at a time; the oldest make room. A client that misses a change among so many lists anew all the same; what a
 * server says at once is to arrive, because the client is there and only the look at it takes its time.
 */
const maxWaiting = { changes: 1_000, said: 1_000, saidLength: 4 * 1024 * 1024 }

export interface AdmittedNewsOptions {
  readonly clock: Clock
  /** Of the stream: aborted once nothing can arrive any more. */
  readonly signal: AbortSignal
  readonly admitAgain: (signal: AbortSignal) => Promise<Principal>
  admitted(principal: Principal): void
  say(notification: JsonRpcNotification): void
  dismiss(error: GatewayError): void
}

/**
 * What is to be told on a stream that stays open for as long as its client likes: each change once, however often it came
 * meanwhile, and nothing without a look at whether the caller may still come in.
 */
export class AdmittedNews {
  readonly #options: AdmittedNewsOptions
  readonly #waiting = new KeptNews(maxWaiting)
  #looking = false

  constructor(options: AdmittedNewsOptions) {
    this.#options = options
  }

  /** It waits for the next look. */
  keep(news: News): void {
    this.#waiting.keep(news)
  }

  /** What waits; from now on it does not here any more. */
  take(): readonly News[] {
    return this.#waiting.take()
  }

  /** From now on what waits is told, and the caller looked at, until the stream ends. */
  start(): void {
    const { clock, signal } = this.#options
    if (signal.aborted) return
    const cancel = clock.every(admissionMs, () => void this.look())
    signal.addEventListener('abort', cancel, { once: true })
    if (!this.#waiting.isEmpty) void this.look()
  }

  async look(): Promise<void> {
    const { signal, admitAgain, admitted, say, dismiss } = this.#options
    if (this.#looking || signal.aborted) return
    this.#looking = true
    try {
      const principal = await admitAgain(signal)
      admitted(principal)
      for (const { notification, isFor } of this.#waiting.take()) if (isFor?.(principal) ?? true) say(notification)
    } catch (thrown) {
      const error = toGatewayError(thrown)
      // Where nobody knows the news wait for the next look.
      if (isDismissal(error)) dismiss(error)
    } finally {
      this.#looking = false
    }
  }
}

/** Lets go of a stream that tells no news, once its caller may come in no more. */
export function closeUnlessAdmitted(
  stream: Pick<EventStream, 'signal' | 'close'>,
  { clock, admitAgain }: Pick<AdmittedNewsOptions, 'clock' | 'admitAgain'>,
): void {
  const { signal } = stream
  const dismiss = () => stream.close()
  new AdmittedNews({ clock, signal, admitAgain, admitted: () => {}, say: () => {}, dismiss }).start()
}
