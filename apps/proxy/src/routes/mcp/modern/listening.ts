import {
  type Caller,
  type GatewayError,
  isJsonObject,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type Principal,
  silentPeer,
} from '@toolgate/core'
import { type Hearer, type News, serverInfoKey, subscriptionIdKey } from '@toolgate/manager'
import { AdmittedNews } from '../admitted-news.ts'
import { EventStream } from '../event-stream.ts'
import type { View } from '../view.ts'
import { whenAborted } from '../when-aborted.ts'
import type { ListenOptions } from './listen.ts'
import { modernErrorOf } from './modern-errors.ts'
import { renewalMs, UpstreamInterest } from '../upstream-interest.ts'
import { accepts, isEmpty, type SubscriptionFilter, writeFilter } from './subscription-filter.ts'

export interface ListeningOptions extends Omit<ListenOptions, 'introduce' | 'gateway'> {
  readonly caller: Caller
  readonly view: View
  readonly id: JsonRpcId
  readonly serverInfo: JsonObject
  /** What the endpoint can tell of what the client wants. */
  readonly filter: SubscriptionFilter
  readonly admitAgain: (signal: AbortSignal) => Promise<Principal>
}

/**
 * One stream of `subscriptions/listen`. First it says what of the wish it honours; it ends with its client, without a word,
 * or with a response: when the gateway leaves, and when its caller may listen no more.
 */
export class Listening implements Hearer {
  readonly owner: string
  readonly names: readonly string[] | undefined
  principal: Principal
  readonly #options: ListeningOptions
  readonly #stream: EventStream
  readonly #ending = new DisposableStack()
  readonly #interest: UpstreamInterest
  #filter: SubscriptionFilter
  readonly #news: AdmittedNews
  #acknowledged = false

  /** Throws `OVERLOADED` where there are too many. */
  constructor(options: ListeningOptions) {
    const { caller, view, filter, subscriptions, clock } = options
    this.#options = options
    this.#interest = new UpstreamInterest(options)
    this.owner = caller.principal.id
    this.principal = caller.principal
    this.names = view.names
    this.#filter = filter
    this.#ending.use(subscriptions.open(this))
    this.#stream = new EventStream({ clock })
    this.#news = new AdmittedNews({
      ...options,
      signal: this.#stream.signal,
      admitted: (principal) => void (this.principal = principal),
      say: (notification) => this.#say(notification),
      dismiss: (error) => this.#dismiss(error),
    })
    this.#ending.defer(whenAborted(caller.signal, () => this.#stream.close()))
    this.#ending.defer(whenAborted(options.lifecycle.leaving, () => this.#complete()))
    this.#stream.signal.addEventListener('abort', () => this.#over())
    void this.#begin()
  }

  get response(): Response {
    return this.#stream.response
  }

  subscribed(uri: string): boolean {
    return this.#filter.resources.has(uri)
  }

  tell(news: News): void {
    if (!accepts(this.#filter, news.notification)) return
    this.#news.keep(news)
    if (this.#acknowledged) void this.#news.look()
  }

  async #begin(): Promise<void> {
    const { clock } = this.#options
    this.#filter = { ...this.#filter, resources: await this.#interest.subscribe(this.#resources()) }
    if (this.#stream.signal.aborted) return
    this.#say({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: writeFilter(this.#filter) },
    })
    if (isEmpty(this.#filter)) return this.#complete()
    this.#acknowledged = true
    if (this.#filter.resources.size > 0) {
      this.#ending.defer(clock.every(renewalMs, () => void this.#interest.renew(this.#resources(), this.#updated)))
    }
    this.#news.start()
  }

  #say({ params, ...notification }: JsonRpcNotification): void {
    const meta = params?.['_meta']
    this.#stream.send({
      ...notification,
      params: { ...params, _meta: { ...(isJsonObject(meta) && meta), [subscriptionIdKey]: this.#options.id } },
    })
  }

  #complete(): void {
    const { id, serverInfo } = this.#options
    const meta = { [subscriptionIdKey]: id, [serverInfoKey]: serverInfo }
    this.#stream.send({ jsonrpc: '2.0', id, result: { resultType: 'complete', _meta: meta } })
    this.#stream.close()
  }

  #dismiss(error: GatewayError): void {
    const { id } = this.#options
    this.#stream.send({ jsonrpc: '2.0', id, error: modernErrorOf(error, 'subscriptions/listen') })
    this.#stream.close()
  }

  #over(): void {
    const { resources } = this.#filter
    this.#ending.dispose()
    const { subscriptions, lifecycle } = this.#options
    if (lifecycle.leaving.aborted) return
    const unwanted = [...resources].filter((uri) => !subscriptions.wanted(uri))
    void this.#interest.end({ ...this.#resources(), uris: unwanted, until: new AbortController().signal })
  }

  readonly #updated = (uri: string) =>
    this.tell({ notification: { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } } })

  /** As a session of the legacy era would subscribe to them. */
  #resources() {
    const { caller, view } = this.#options
    const asking = { ...caller, principal: this.principal, peer: { ...silentPeer, era: 'modern' as const } }
    return { caller: asking, view, uris: [...this.#filter.resources], until: this.#stream.signal }
  }
}
