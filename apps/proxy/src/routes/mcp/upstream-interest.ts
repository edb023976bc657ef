import { type Caller, type Clock, type Logger, startDeadline } from '@toolgate/core'
import type { Answer } from './answer.ts'
import type { View } from './view.ts'

/** Milliseconds between renewals. Below the idle time of upstream connections: a subscription there is its connection's, and lost with it. */
export const renewalMs = 2 * 60_000

/** Milliseconds that upstreams have to take a subscription, or to end it. */
const upstreamMs = 10_000

export interface UpstreamInterestOptions {
  readonly answer: Answer
  readonly clock: Clock
  readonly log: Logger
}

export interface Interest {
  readonly caller: Caller
  readonly view: View
  readonly uris: readonly string[]
  readonly until: AbortSignal
}

/** What one client wants to hear of resources, kept up at their servers. Best effort, and in time; never rejects. */
export class UpstreamInterest {
  readonly #options: UpstreamInterestOptions
  /** What no server keeps at the moment. */
  readonly #failing = new Set<string>()

  constructor(options: UpstreamInterestOptions) {
    this.#options = options
  }

  /** The resources whose servers will tell. */
  subscribe(interest: Interest): Promise<ReadonlySet<string>> {
    return this.#ask('resources/subscribe', interest)
  }

  /**
   * The same again. `tell` is told of a resource that its server stopped telling of, and of one that it tells of again: it may
   * have changed meanwhile, and reading it says what is wrong.
   */
  async renew(interest: Interest, tell: (uri: string) => void): Promise<void> {
    const taken = await this.subscribe(interest)
    if (interest.until.aborted) return
    for (const uri of interest.uris) {
      const fails = !taken.has(uri)
      if (fails === this.#failing.has(uri)) continue
      if (fails) this.#failing.add(uri)
      else this.#failing.delete(uri)
      tell(uri)
    }
  }

  async end(interest: Interest): Promise<void> {
    await this.#ask('resources/unsubscribe', interest)
  }

  async #ask(method: string, { caller, view, uris, until }: Interest): Promise<ReadonlySet<string>> {
    if (uris.length === 0) return new Set()
    const { answer, clock, log } = this.#options
    using deadline = startDeadline(clock, upstreamMs)
    const signal = AbortSignal.any([until, deadline.signal])
    const taken = uris.map(async (uri) => {
      try {
        await answer({ caller: { ...caller, signal }, view, method, params: { uri } })
        return [uri]
      } catch (error) {
        log.debug({ err: error, method }, 'an upstream did not take a subscription to a resource')
        return []
      }
    })
    return new Set((await Promise.all(taken)).flat())
  }
}
