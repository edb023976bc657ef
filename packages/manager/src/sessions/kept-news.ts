import { isAboutTheServer } from '../about-the-server.ts'
import type { News } from './hearer.ts'

/** What waits at a time. */
export interface NewsBounds {
  readonly changes: number
  /** Of what says more than that something changed: how many, and their characters. */
  readonly said: number
  readonly saidLength: number
}

/**
 * News that wait to be told. That something changed once, however often it did; whatever else was said as often as it was,
 * within bounds of its own: a server that talks much pushes out no change. The oldest makes room.
 */
export class KeptNews {
  readonly #bounds: NewsBounds
  #changes = new Map<string, News>()
  #said: { readonly news: News; readonly length: number }[] = []
  #saidLength = 0

  constructor(bounds: NewsBounds) {
    this.#bounds = bounds
  }

  keep(news: News): void {
    const { method, params } = news.notification
    if (!isAboutTheServer(method)) return this.#keepSaid(news)
    const { uri } = params ?? {}
    this.#changes.set(`${method} ${typeof uri === 'string' ? uri : ''}`, news)
    const [oldest] = this.#changes.keys()
    if (this.#changes.size > this.#bounds.changes && oldest !== undefined) this.#changes.delete(oldest)
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0 && this.#said.length === 0
  }

  /** All of them; from now on they do not wait here any more. */
  take(): readonly News[] {
    const kept = [...this.#changes.values(), ...this.#said.map(({ news }) => news)]
    this.#changes = new Map()
    this.#said = []
    this.#saidLength = 0
    return kept
  }

  #keepSaid(news: News): void {
    const { length } = JSON.stringify(news.notification)
    this.#said.push({ news, length })
    this.#saidLength += length
    while (this.#said.length > this.#bounds.said || this.#saidLength > this.#bounds.saidLength) {
      this.#saidLength -= this.#said.shift()?.length ?? 0
    }
  }
}
