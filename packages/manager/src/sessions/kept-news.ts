import type { News } from './hearer.ts'

/** News that wait to be told: each kind once, however often it came, and the oldest makes room. */
export class KeptNews {
  readonly #max: number
  #byKind = new Map<string, News>()

  constructor(max: number) {
    this.#max = max
  }

  keep(news: News): void {
    const { method, params } = news.notification
    const { uri } = params ?? {}
    this.#byKind.set(`${method} ${typeof uri === 'string' ? uri : ''}`, news)
    const [oldest] = this.#byKind.keys()
    if (this.#byKind.size > this.#max && oldest !== undefined) this.#byKind.delete(oldest)
  }

  get isEmpty(): boolean {
    return this.#byKind.size === 0
  }

  /** All of them; from now on they do not wait here any more. */
  take(): readonly News[] {
    const kept = [...this.#byKind.values()]
    this.#byKind = new Map()
    return kept
  }
}
