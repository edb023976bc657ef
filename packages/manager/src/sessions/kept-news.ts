import { isAboutTheServer } from '../about-the-server.ts'
import type { News } from './hearer.ts'

/** Of what says more than that something changed: what waits at a time, and its characters. */
const maxSaid = 64
const maxSaidLength = 256 * 1024

/**
 * News that wait to be told. That something changed once, however often it did; whatever else was said as often as it was,
 * within bounds of its own: a server that talks much pushes out no change. The oldest makes room.
 */
export class KeptNews {
  readonly #maxChanges: number
  #changes = new Map<string, News>()
  #said: { readonly news: News; readonly length: number }[] = []
  #saidLength = 0

  constructor(maxChanges: number) {
    this.#maxChanges = maxChanges
  }

  keep(news: News): void {
    const { method, params } = news.notification
    if (!isAboutTheServer(method)) return this.#keepSaid(news)
    const { uri } = params ?? {}
    this.#changes.set(`${method} ${typeof uri === 'string' ? uri : ''}`, news)
    const [oldest] = this.#changes.keys()
    if (this.#changes.size > this.#maxChanges && oldest !== undefined) this.#changes.delete(oldest)
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
    while (this.#said.length > maxSaid || this.#saidLength > maxSaidLength) {
      this.#saidLength -= this.#said.shift()?.length ?? 0
    }
  }
}
