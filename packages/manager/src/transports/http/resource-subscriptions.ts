import { type Clock, type JsonObject, type Logger, startDeadline, untilAborted } from '@toolgate/core'
import type { UpstreamRequest } from '../../upstream/connection.ts'
import { busy, type FailurePlace, outOfProtocol } from '../../upstream/failure.ts'
import { type Hearing, listen } from './http-listener.ts'
import type { ModernLink } from './modern-link.ts'
import type { CredentialHeaders } from './refusal.ts'
import { listenModernly } from './subscription.ts'

/** Resources that one connection is told of. */
const maxResources = 1_024

/** Milliseconds that a server has to say what of a subscription it honours. */
const acknowledgedMs = 10_000

export interface ResourceSubscriptionsOptions {
  readonly link: ModernLink
  readonly server: string
  readonly clock: Clock
  readonly log: Logger
  readonly credential: () => CredentialHeaders
  /** The connection closes. */
  readonly closing: AbortSignal
}

type Change = Pick<UpstreamRequest, 'method' | 'params' | 'signal'>

/**
 * `resources/subscribe` and `resources/unsubscribe` at a server that has neither any more (spec 2026-07-28, Subscriptions): one
 * stream of `subscriptions/listen` for all resources of a connection. Another resource opens another stream, and the former
 * one ends once the server acknowledged it. After a gap in between, every resource may have changed, and is said to have.
 */
export class ResourceSubscriptions {
  readonly #options: ResourceSubscriptionsOptions
  #resources: ReadonlySet<string> = new Set()
  /** What the last stream told of, and no stream does now. */
  #missed: ReadonlySet<string> = new Set()
  #stream: AbortController | undefined
  #changing: Promise<unknown> = Promise.resolve()

  constructor(options: ResourceSubscriptionsOptions) {
    this.#options = options
  }

  /** Rejects with a `GatewayError` where the server will not tell of the resource. */
  async request({ method, params: { uri }, signal }: Change): Promise<JsonObject> {
    if (typeof uri !== 'string') throw outOfProtocol(this.#place, 'no interest in a resource without a URI')
    const change = this.#changing.then(() => (method === 'resources/subscribe' ? this.#add(uri) : this.#remove(uri)))
    this.#changing = change.catch(() => undefined)
    await untilAborted(signal, () => change)
    return {}
  }

  get #place(): FailurePlace {
    return { server: this.#options.server, stage: 'call' }
  }

  async #add(uri: string): Promise<void> {
    if (this.#resources.has(uri)) return
    if (this.#resources.size >= maxResources) throw busy(this.#place, `it tells of ${maxResources} resources already`)
    await this.#listenTo(new Set([...this.#resources, uri]))
    if (!this.#resources.has(uri)) throw outOfProtocol(this.#place, 'a subscription without the resource')
    if (this.#missed.has(uri)) this.#tell(uri)
    this.#missed = new Set([...this.#missed].filter((missed) => missed !== uri))
  }

  async #remove(uri: string): Promise<void> {
    if (!this.#resources.has(uri)) return
    const left = new Set([...this.#resources].filter((resource) => resource !== uri))
    if (left.size > 0) return this.#listenTo(left)
    this.#resources = left
    this.#stream?.abort()
  }

  /** Resolves once the server said what it honours; the former stream goes on where it does not. */
  async #listenTo(wanted: ReadonlySet<string>): Promise<void> {
    const { link, server, clock, log, credential, closing } = this.#options
    const stream = new AbortController()
    const signal = AbortSignal.any([stream.signal, closing])
    const { promise: answered, resolve, reject } = Promise.withResolvers<ReadonlySet<string>>()
    let open = false
    const acknowledged = (honoured: JsonObject) => {
      if (open) for (const uri of this.#resources) this.#tell(uri)
      open = true
      resolve(honouredOf(honoured))
    }
    const notifications = { resourceSubscriptions: [...wanted] }
    const once = (hearing: Hearing) =>
      listenModernly(link, signal, { hearing, notifications, credential, acknowledged })
    const follow = async () => {
      await listen(once, signal, { server, clock, log })
      reject(outOfProtocol(this.#place, 'a refusal to tell of resources'))
      if (this.#stream === stream) this.#over()
    }
    void follow()
    const honoured = await this.#inTime(answered, stream)
    this.#stream?.abort()
    this.#stream = stream
    this.#resources = new Set([...wanted].filter((uri) => honoured.has(uri)))
  }

  async #inTime<Answer>(answered: Promise<Answer>, stream: AbortController): Promise<Answer> {
    using deadline = startDeadline(this.#options.clock, acknowledgedMs, this.#options.closing)
    try {
      return await untilAborted(deadline.signal, () => answered)
    } catch (error) {
      stream.abort()
      throw deadline.signal.aborted ? outOfProtocol(this.#place, 'no word on a subscription') : error
    }
  }

  #over(): void {
    this.#missed = new Set([...this.#missed, ...this.#resources].slice(-maxResources))
    this.#resources = new Set()
    this.#stream = undefined
  }

  #tell(uri: string): void {
    this.#options.link.traffic.hear({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } })
  }
}

function honouredOf({ resourceSubscriptions: given }: JsonObject): ReadonlySet<string> {
  return new Set(Array.isArray(given) ? given.filter((uri) => typeof uri === 'string') : [])
}
