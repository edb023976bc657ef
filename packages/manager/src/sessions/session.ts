import {
  type CancelSignal,
  GatewayError,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Peer,
  type Principal,
  Roster,
} from '@toolgate/core'
import type { Hearer, News } from './hearer.ts'
import { KeptNews } from './kept-news.ts'
import { isLogged } from './log-levels.ts'
import type { StoredSession } from './session-store.ts'

/** Requests to the client that may wait for its answer at a time, per session. */
const maxAsked = 64

/** What waits for a client that listens to nothing at the moment, per session. */
const maxMissed = { changes: 64, said: 64, saidLength: 256 * 1024 }

/** A way to the client: the stream of one of its requests, or the one it listens on. */
export interface Outlet {
  /** False where nothing can get to the client this way. */
  send(message: JsonRpcNotification | JsonRpcRequest): boolean
  /** Aborted once nothing that is sent can arrive any more. */
  readonly signal: CancelSignal
}

/** The stream that a client listens on outside any request. */
export interface Listener extends Pick<Outlet, 'signal'> {
  tell(news: News): void
  close(): void
}

interface RunningCall {
  readonly id: JsonRpcId
  readonly controller: AbortController
}

/**
 * One client's session as this gateway has it: who owns it, what the client declared, and what is under way here. Costs next
 * to nothing while nothing is. What survives it is its row.
 */
export class Session implements Hearer {
  readonly id: string
  readonly owner: string
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  /** What the client calls itself. */
  readonly client: string | undefined
  readonly names: readonly string[] | undefined
  logLevel: string | undefined
  /** Of its latest request. */
  principal: Principal | undefined
  /** Monotonic milliseconds. */
  usedMs: number
  /** Since the store was told last. */
  used = false

  readonly #newRequestId: () => string
  /** No map by id: a client that uses one twice at a time still leaves nothing behind. */
  #calls: Roster<RunningCall> | undefined
  #asked: Map<JsonRpcId, PromiseWithResolvers<JsonObject>> | undefined
  #missed: KeptNews | undefined
  #listener: Listener | undefined
  #subscriptions: ReadonlySet<string> | undefined
  #onSubscriptions: (() => void) | undefined
  #resumed = false
  #ended = false

  constructor(stored: StoredSession, { nowMs, newRequestId }: { nowMs: number; newRequestId: () => string }) {
    this.id = stored.id
    this.owner = stored.owner
    this.protocolVersion = stored.protocolVersion
    this.capabilities = stored.capabilities
    this.client = stored.client
    this.names = stored.names
    this.logLevel = stored.logLevel
    if (stored.subscriptions.length > 0) this.#subscriptions = new Set(stored.subscriptions)
    this.#resumed = stored.subscriptions.length > 0
    this.usedMs = nowMs
    this.#newRequestId = newRequestId
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Something runs in it, or listens to it. */
  get busy(): boolean {
    return this.#listener !== undefined || (this.#calls?.size ?? 0) > 0
  }

  get listening(): boolean {
    return this.#listener !== undefined
  }

  /** From now until disposed, the client can cancel this request by its id. */
  begin(id: JsonRpcId): { readonly signal: AbortSignal; abort(reason: GatewayError): void } & Disposable {
    const call = { id, controller: new AbortController() }
    const calls = (this.#calls ??= new Roster())
    const leave = calls.enter(call)
    return {
      signal: call.controller.signal,
      abort: (reason) => call.controller.abort(reason),
      [Symbol.dispose]: leave,
    }
  }

  /** Whether that request runs here. */
  cancel(id: JsonRpcId): boolean {
    const meant = this.#calls?.values().filter((call) => call.id === id) ?? []
    for (const { controller } of meant) {
      controller.abort(new GatewayError('CANCELLED', 'The client cancelled the request.'))
    }
    return meant.length > 0
  }

  /** The client's answer to a request. Whether it was asked here. */
  settle(response: JsonRpcResponse): boolean {
    const { id } = response
    const waiting = id === undefined || id === null ? undefined : this.#asked?.get(id)
    if (waiting === undefined) return false
    if ('error' in response) waiting.reject(clientError(response.error))
    else waiting.resolve(response.result)
    return true
  }

  /** The way back to the client for one of its requests. */
  peer(outlet: Outlet): Peer {
    return new SessionPeer(this, outlet, (request, signal) => this.#ask(outlet, request, signal))
  }

  /**
   * The newest stream counts: of an older one the client may have lost the other end. `onSubscriptions` hears that the session
   * is subscribed to other resources than before.
   */
  listen(listener: Listener, onSubscriptions?: () => void): void {
    this.#listener?.close()
    this.#listener = listener
    this.#onSubscriptions = onSubscriptions
    listener.signal.addEventListener('abort', () => {
      if (this.#listener !== listener) return
      this.#listener = undefined
      this.#onSubscriptions = undefined
    })
    const missed = this.#missed
    this.#missed = undefined
    for (const news of missed?.take() ?? []) listener.tell(news)
  }

  /** Outside any request. Waits for the client to listen where it does not; each kind of change once. */
  tell(news: News): void {
    if (this.#listener !== undefined) return this.#listener.tell(news)
    this.#missed ??= new KeptNews(maxMissed)
    this.#missed.keep(news)
  }

  get subscriptions(): ReadonlySet<string> {
    return this.#subscriptions ?? nothing
  }

  set subscriptions(uris: ReadonlySet<string>) {
    this.#subscriptions = uris.size > 0 ? uris : undefined
    this.#onSubscriptions?.()
  }

  /** Once: what it was subscribed to before this gateway had it. */
  resumed(): readonly string[] {
    if (!this.#resumed) return []
    this.#resumed = false
    return [...this.subscriptions]
  }

  subscribed(uri: string): boolean {
    return this.#subscriptions?.has(uri) === true
  }

  /** Ends what is under way here. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    const reason = new GatewayError('CANCELLED', 'The session was ended.')
    for (const { controller } of this.#calls?.values() ?? []) controller.abort(reason)
    for (const waiting of this.#asked?.values() ?? []) waiting.reject(reason)
    this.#listener?.close()
  }

  async #ask(outlet: Outlet, { method, params }: PeerRequest, signal: AbortSignal): Promise<JsonObject> {
    const asked = (this.#asked ??= new Map())
    if (asked.size >= maxAsked) throw new GatewayError('OVERLOADED', 'Too many requests wait for this client.')
    const id = this.#newRequestId()
    const waiting = Promise.withResolvers<JsonObject>()
    const withdraw = () => {
      outlet.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } })
      waiting.reject(new GatewayError('CANCELLED', 'Nobody waits for this answer any more.'))
    }
    const gone = () => waiting.reject(new GatewayError('CANCELLED', 'The client went away before it answered.'))
    signal.addEventListener('abort', withdraw, { once: true })
    asked.set(id, waiting)
    let way: CancelSignal | undefined
    try {
      signal.throwIfAborted()
      const isSent = outlet.send({ jsonrpc: '2.0', id, method, ...(params !== undefined && { params }) })
      // Only now: what is sent may open the stream whose end counts.
      way = outlet.signal
      way.addEventListener('abort', gone)
      if (way.aborted) gone()
      else if (!isSent) throw cannotBeAsked()
      return await waiting.promise
    } finally {
      asked.delete(id)
      signal.removeEventListener('abort', withdraw)
      way?.removeEventListener('abort', gone)
    }
  }
}

function cannotBeAsked(): GatewayError {
  return new GatewayError(
    'METHOD_NOT_FOUND',
    'This client takes no stream as the answer to its request, so it cannot be asked.',
  )
}

/** A class for its getter, as one is made for every request: `ReceivedResponse` in core says why. */
class SessionPeer implements Peer {
  readonly #session: Session
  readonly #outlet: Outlet
  readonly #ask: (request: PeerRequest, signal: AbortSignal) => Promise<JsonObject>

  constructor(
    session: Session,
    outlet: Outlet,
    ask: (request: PeerRequest, signal: AbortSignal) => Promise<JsonObject>,
  ) {
    this.#session = session
    this.#outlet = outlet
    this.#ask = ask
  }

  get sessionId(): string {
    return this.#session.id
  }

  get capabilities(): JsonObject {
    return this.#session.capabilities
  }

  get logLevel(): string | undefined {
    return this.#session.logLevel
  }

  notify(notification: JsonRpcNotification): void {
    if (isLogged(notification, this.#session.logLevel)) this.#outlet.send(notification)
  }

  request(request: PeerRequest, { signal }: { signal: AbortSignal }): Promise<JsonObject> {
    return this.#ask(request, signal)
  }
}

type PeerRequest = Parameters<Peer['request']>[0]

const nothing: ReadonlySet<string> = new Set()

/** An error of the client goes back to the upstream as it came. */
function clientError(error: { code: number; message: string; data?: unknown }): GatewayError {
  return new GatewayError('UPSTREAM_ERROR', error.message, { details: { upstream: error } })
}
