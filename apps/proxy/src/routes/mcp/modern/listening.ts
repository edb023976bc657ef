import {
  type Caller,
  type GatewayError,
  isJsonObject,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type Principal,
  silentPeer,
  toGatewayError,
} from '@toolgate/core'
import { type Hearer, serverInfoKey, subscriptionIdKey } from '@toolgate/manager'
import { EventStream } from '../event-stream.ts'
import type { View } from '../view.ts'
import type { ListenOptions } from './listen.ts'
import { modernErrorOf } from './modern-errors.ts'
import { renewalMs, UpstreamInterest } from '../upstream-interest.ts'
import { accepts, isEmpty, type SubscriptionFilter, writeFilter } from './subscription-filter.ts'

/** Milliseconds between looks at whether the caller may still listen; what there is to tell makes one look sooner. */
const admissionMs = 15_000

/** Failures that say that the caller may no longer listen, and not that nobody knows. */
const dismissals = new Set(['CREDENTIAL_MISSING', 'CREDENTIAL_INVALID', 'KEY_EXPIRED', 'KEY_BLOCKED'])

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
  /** Each kind of news once, until it is said. */
  #news = new Map<string, JsonRpcNotification>()
  #acknowledged = false
  #telling = false

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
    this.#endWith(caller.signal, () => this.#stream.close())
    this.#endWith(options.lifecycle.leaving, () => this.#complete())
    this.#stream.signal.addEventListener('abort', () => this.#over())
    void this.#begin()
  }

  get response(): Response {
    return this.#stream.response
  }

  subscribed(uri: string): boolean {
    return this.#filter.resources.has(uri)
  }

  tell(notification: JsonRpcNotification): void {
    if (!accepts(this.#filter, notification)) return
    const { uri } = notification.params ?? {}
    this.#news.set(`${notification.method} ${typeof uri === 'string' ? uri : ''}`, notification)
    if (this.#acknowledged) void this.#look()
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
    this.#ending.defer(clock.every(admissionMs, () => void this.#look()))
    if (this.#filter.resources.size > 0) {
      this.#ending.defer(clock.every(renewalMs, () => void this.#interest.renew(this.#resources(), this.#updated)))
    }
    if (this.#news.size > 0) void this.#look()
  }

  /** Whether the caller may still listen; if so, says what there is to say. */
  async #look(): Promise<void> {
    if (this.#telling) return
    this.#telling = true
    try {
      this.principal = await this.#options.admitAgain(this.#stream.signal)
      const news = this.#news
      this.#news = new Map()
      for (const notification of news.values()) this.#say(notification)
    } catch (thrown) {
      const error = toGatewayError(thrown)
      // Where nobody knows the news wait for the next look.
      if (dismissals.has(error.code)) this.#dismiss(error)
    } finally {
      this.#telling = false
    }
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

  #endWith(signal: AbortSignal, end: () => void): void {
    if (signal.aborted) return queueMicrotask(end)
    signal.addEventListener('abort', end, { once: true })
    this.#ending.defer(() => signal.removeEventListener('abort', end))
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
    this.tell({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } })

  /** As a session of the legacy era would subscribe to them. */
  #resources() {
    const { caller, view } = this.#options
    const asking = { ...caller, principal: this.principal, peer: { ...silentPeer, era: 'modern' as const } }
    return { caller: asking, view, uris: [...this.#filter.resources], until: this.#stream.signal }
  }
}
